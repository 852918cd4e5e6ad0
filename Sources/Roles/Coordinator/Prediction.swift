package import ActivationPredictor
import ModelFile
import NeuronPlacement
import Pacing
import PackedSets
import Transformer

/// Who is asked which feed-forward neurons to compute, and what the run learns of the others.
package struct PredictionSetting: Sendable {
    package let predictor: any ActivityPredictor
    package let feedback: Feedback
    /// Whether predictions are held against the truth, which costs a product with all gates.
    package let isScored: Bool

    package init(predictor: any ActivityPredictor, feedback: Feedback, isScored: Bool) {
        self.predictor = predictor
        self.feedback = feedback
        self.isScored = isScored
    }
}

/// How the predictions of a run went.
package struct PredictionRecord: Sendable {
    package let name: String
    /// Memory of the predictor's tables.
    package let tableByteCount: Int
    /// Held against the truth, [layers]; `nil` when that was not asked for.
    package fileprivate(set) var layers: [PredictionScore]?
    /// Neurons computed and neurons there are, over all layers and tokens.
    package fileprivate(set) var computedCount = 0
    package fileprivate(set) var neuronCount = 0
    package fileprivate(set) var tokenCount = 0
    /// Wall time of the predictor: of predicting and observing. Finding out the truth is no part.
    package fileprivate(set) var predictorNanoseconds: UInt64 = 0
    /// Wall time of turning sets of neurons into the units' slots and back.
    package fileprivate(set) var sharingNanoseconds: UInt64 = 0

    /// All layers but the first, which is always computed in full.
    package var overall: PredictionScore? {
        guard let layers, layers.count > 1 else { return nil }
        return layers.dropFirst().reduce(into: PredictionScore()) { $0 += $1 }
    }
}

/// What each unit computes of a layer's feed-forward block.
struct FeedForwardPlan {
    /// Slots of the GPU's hot neurons, ascending; `nil` for all.
    var gpuSlots: [UInt32]?
    /// Slots of each DIMM, [DIMMs].
    var dimmSlots: [PackedSet]
}

/// Predicted mode: asks before each feed-forward block, tells after it.
///
/// QKV is no part of it: its neurons are elements of a normed state, of which none is zero.
struct Prediction: Sendable {
    private static let block = 0
    /// Inputs that wait for their score take at most so many bytes; then they are scored at once.
    private static let pendingByteLimit = 1 << 28

    private let setting: PredictionSetting
    private let truth: ActivityTruth
    /// One a layer: where neurons move, they do so in one layer at a time.
    private var homes: [NeuronHomes]
    // Scratch of turning neurons into places and back.
    private var slotWords: [UInt64]
    private var neuronWords: [UInt64]
    private var neuronFlags: FlagBytes
    private var placeFlags: FlagBytes
    /// As the prompt left it; a run that starts over begins with it again.
    private let predictorAtStart: any ActivityPredictor
    private var predictor: any ActivityPredictor
    private(set) var record: PredictionRecord
    private var scores: [PredictionScore]
    /// Inputs whose truth is still to be found, and what was predicted for them.
    private var pending: [(layer: Int, input: [Float], predicted: PackedSet)] = []
    private var pendingByteCount = 0

    // Of the current layer.
    private var predicted: PackedSet
    private var active: PackedSet  // known to be
    private var trueActive: PackedSet?
    private var below: PackedSet?  // known to be active in the layer below

    init(
        setting: PredictionSetting, truth: ActivityTruth, homes: [NeuronHomes],
        neuronCount: Int, prefill: PrefillActivity
    ) {
        self.setting = setting
        self.truth = truth
        self.homes = homes
        let placeWordCount = homes.first?.wordCount ?? 0
        precondition(homes.allSatisfy { $0.wordCount <= placeWordCount })
        slotWords = Array(repeating: 0, count: placeWordCount)
        neuronWords = Array(repeating: 0, count: PackedSet.wordCount(elementCount: neuronCount))
        neuronFlags = FlagBytes(elementCount: neuronCount)
        placeFlags = FlagBytes(elementCount: 64 * placeWordCount)
        predictor = setting.predictor
        predictor.beginDecode(after: prefill)
        predictorAtStart = predictor
        record = PredictionRecord(name: predictor.name, tableByteCount: predictor.byteCount)
        scores = Array(repeating: PredictionScore(), count: homes.count)
        predicted = PackedSet(elementCount: neuronCount)
        active = predicted
    }

    mutating func startOver() {
        predictor = predictorAtStart
        record = PredictionRecord(name: predictor.name, tableByteCount: predictor.byteCount)
        for layer in scores.indices { scores[layer] = PredictionScore() }
        pending = []
        pendingByteCount = 0
    }

    /// Neurons of a layer have moved.
    mutating func move(to places: NeuronHomes, layer: Int) {
        precondition(places.wordCount == slotWords.count, "a worker's slots are as many as before")
        homes[layer] = places
    }

    /// Words of the places of every layer.
    var placeWordCount: Int { slotWords.count }

    /// What the current layer's units compute, all together.
    var computed: PackedSet { predicted }

    // MARK: One layer

    /// Who computes what of a layer.
    ///
    /// - Parameters:
    ///   - input: normed state, [hidden].
    ///   - hot: the neurons in the GPU's slots.
    ///   - cold: each DIMM's slots whose neurons are not hot.
    mutating func plan(
        layer: Int, input: [Float], hot: [UInt32], cold: [PackedSet]
    ) -> FeedForwardPlan {
        let needsTruth = predictor.needsTruth || setting.feedback == .full
        trueActive = needsTruth ? truth.active(layer: layer, input: input) : nil
        let start = WallInstant.now
        if layer == 0 {
            predictor.beginToken()
            below = nil
            record.tokenCount += 1
            // No layer below tells anything: what every predictor here would know is left out, so
            // that all differ in the same layers only.
            predicted = .full(elementCount: predicted.elementCount)
        } else {
            predictor.predict(
                layer: layer, block: Self.block, parents: below,
                truth: predictor.needsTruth ? trueActive : nil, into: &predicted)
        }
        let predictionEnd = WallInstant.now
        let plan = split(layer: layer, hot: hot, cold: cold)
        record.computedCount += predicted.memberCount
        record.neuronCount += predicted.elementCount
        record.predictorNanoseconds += predictionEnd.nanoseconds - start.nanoseconds
        record.sharingNanoseconds += WallInstant.now.nanoseconds - predictionEnd.nanoseconds
        if setting.isScored { score(layer: layer, input: input) }
        return plan
    }

    /// The predicted neurons of each unit.
    private mutating func split(
        layer: Int, hot: [UInt32], cold: [PackedSet]
    ) -> FeedForwardPlan {
        neuronFlags.load(predicted.words)
        var gpuSlots = [UInt32](repeating: 0, count: hot.count)
        var hotCount = 0
        let flags = neuronFlags.bytes
        for slot in hot.indices {
            gpuSlots[hotCount] = UInt32(truncatingIfNeeded: slot)
            hotCount &+= Int(flags[Int(hot[slot])])
        }
        gpuSlots.removeLast(hot.count - hotCount)
        homes[layer].places.select(from: neuronFlags, into: &slotWords)
        var dimmSlots = cold
        for dimm in cold.indices {
            dimmSlots[dimm].formIntersection(
                words: slotWords, from: homes[layer].firstWord(ofDIMM: dimm))
        }
        return FeedForwardPlan(gpuSlots: gpuSlots, dimmSlots: dimmSlots)
    }

    /// All units have answered.
    ///
    /// - Parameters:
    ///   - gpuSlots: which of the GPU's slots were active.
    ///   - dimmSlots: which of each DIMM's, [DIMMs].
    mutating func finish(
        layer: Int, hot: [UInt32], gpuSlots: ArraySlice<UInt32>, dimmSlots: [PackedSet]
    ) {
        let start = WallInstant.now
        let isFull = setting.feedback == .full
        if isFull, let trueActive {
            active = trueActive
        } else {
            gather(dimmSlots, layer: layer, hot: hot, gpuSlots: gpuSlots)
        }
        let gatherEnd = WallInstant.now
        predictor.observe(
            layer: layer, block: Self.block, active: active, observed: isFull ? nil : predicted)
        below = active
        record.sharingNanoseconds += gatherEnd.nanoseconds - start.nanoseconds
        record.predictorNanoseconds += WallInstant.now.nanoseconds - gatherEnd.nanoseconds
    }

    /// Overwrites ``active`` with the neurons in the DIMMs' slots and in the GPU's.
    private mutating func gather(
        _ dimmSlots: [PackedSet], layer: Int, hot: [UInt32], gpuSlots: ArraySlice<UInt32>
    ) {
        for (dimm, set) in dimmSlots.enumerated() {
            placeFlags.load(set.words, atWord: homes[layer].firstWord(ofDIMM: dimm))
        }
        homes[layer].neurons.select(from: placeFlags, into: &neuronWords)
        for slot in gpuSlots {
            let neuron = Int(hot[Int(slot)])
            neuronWords[neuron &>> 6] |= 1 &<< UInt64(neuron & 63)
        }
        active.setWords(neuronWords)
    }

    // MARK: Scores

    private mutating func score(layer: Int, input: [Float]) {
        if let trueActive {
            scores[layer].add(predicted: predicted, active: trueActive)
            return
        }
        // The truth takes a product with all gates: found when no clock runs.
        pending.append((layer, input, predicted))
        pendingByteCount += 4 * input.count + predicted.byteCount
        if pendingByteCount > Self.pendingByteLimit { scorePending() }
    }

    private mutating func scorePending() {
        for entry in pending {
            scores[entry.layer].add(
                predicted: entry.predicted,
                active: truth.active(layer: entry.layer, input: entry.input))
        }
        pending = []
        pendingByteCount = 0
    }

    /// The record with every score in it.
    mutating func finishedRecord() -> PredictionRecord {
        scorePending()
        if setting.isScored { record.layers = scores }
        return record
    }
}

/// Where each neuron lives, as tables: to go from a set of neurons to the DIMMs' sets of slots and
/// back is most of what predicting costs beside the predictor itself.
///
/// A place is a bit in the DIMMs' sets one behind the other, each begun at a word of its own.
struct NeuronHomes: Equatable, Sendable {
    /// Turns neurons into places.
    let places: SetSelection
    /// Turns places into neurons.
    let neurons: SetSelection
    private let firstWords: [Int]

    /// Where neurons live from the start.
    ///
    /// - Parameter placeWordCount: words of all places; those past the last stay empty.
    init(_ home: HomeMap, placeWordCount: Int) {
        self.init(
            neuronCount: home.neuronCount,
            slotCounts: (0..<home.dimmCount).map { home.slotCount(ofDIMM: $0) },
            placeWordCount: placeWordCount
        ) { (home.dimm(ofNeuron: $0), home.slot(ofNeuron: $0)) }
    }

    /// Where they live now.
    init(_ places: NeuronPlaces, layer: Int, placeWordCount: Int) {
        self.init(
            neuronCount: places.neuronCount(layer: layer),
            slotCounts: places.slotCounts(layer: layer), placeWordCount: placeWordCount
        ) {
            (
                places.dimm(ofNeuron: $0, layer: layer),
                places.slot(ofNeuron: $0, layer: layer)
            )
        }
    }

    private init(
        neuronCount: Int, slotCounts: [Int], placeWordCount: Int,
        place: (Int) -> (dimm: Int, slot: Int)
    ) {
        var firstWords: [Int] = []
        var wordCount = 0
        for slotCount in slotCounts {
            firstWords.append(wordCount)
            wordCount += PackedSet.wordCount(elementCount: slotCount)
        }
        precondition(wordCount <= placeWordCount)
        var neuronAtPlace = [Int?](repeating: nil, count: 64 * placeWordCount)
        let placeOfNeuron = (0..<neuronCount).map { neuron -> Int? in
            let (dimm, slot) = place(neuron)
            let place = 64 * firstWords[dimm] + slot
            neuronAtPlace[place] = neuron
            return place
        }
        places = SetSelection(neuronAtPlace, sourceCount: neuronCount)
        neurons = SetSelection(placeOfNeuron, sourceCount: 64 * placeWordCount)
        self.firstWords = firstWords
    }

    var wordCount: Int { places.wordCount }

    func firstWord(ofDIMM dimm: Int) -> Int { firstWords[dimm] }

    /// Words that the places of every layer fit; a layer's slots are as many at any time.
    static func wordCount(slotCounts: [[Int]]) -> Int {
        slotCounts.map { counts in
            counts.reduce(0) { $0 + PackedSet.wordCount(elementCount: $1) }
        }.max() ?? 0
    }
}

extension Coordinator {
    /// From here on only predicted feed-forward neurons are computed, and all of layer 0.
    ///
    /// - Parameters:
    ///   - setting: its predictor is of one block, the feed-forward neurons.
    ///   - prefill: what the prompt showed, by the rule of the decode.
    /// - Precondition: ``adopt(prefill:)`` has run.
    package mutating func beginPrediction(
        _ setting: PredictionSetting, after prefill: PrefillActivity
    ) {
        let neuronCount = model.shape.feedForwardSize
        prediction = Prediction(
            setting: setting,
            truth: ActivityTruth(
                model: model, rule: options.rule, threadCount: options.threadCount),
            homes: neuronHomes(), neuronCount: neuronCount, prefill: prefill)
    }

    /// Layers with equal homes share their tables, which then stay in cache.
    private func neuronHomes() -> [NeuronHomes] {
        let wordCount = NeuronHomes.wordCount(
            slotCounts: (0..<model.shape.layerCount).map { layer in
                let home = homePlan.feedForward[layer]
                return migration?.places.slotCounts(layer: layer)
                    ?? exchange.indices.map { home.slotCount(ofDIMM: $0) }
            })
        var homes: [NeuronHomes] = []
        for layer in 0..<model.shape.layerCount {
            let own =
                migration.map {
                    NeuronHomes($0.places, layer: layer, placeWordCount: wordCount)
                } ?? NeuronHomes(homePlan.feedForward[layer], placeWordCount: wordCount)
            homes.append(homes.last == own ? homes[layer - 1] : own)
        }
        return homes
    }

    /// How the predictions went; finds out the truth that scores need, which takes a while.
    package mutating func finishPrediction() -> PredictionRecord? {
        prediction?.finishedRecord()
    }
}
