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
    private var slotWords: [UInt64]
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
        slotWords = Array(repeating: 0, count: homes.first?.wordCount ?? 0)
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
        var gpuSlots = [UInt32](repeating: 0, count: hot.count)
        var hotCount = 0
        let words = predicted.words
        for (slot, neuron) in hot.enumerated() {
            gpuSlots[hotCount] = UInt32(truncatingIfNeeded: slot)
            hotCount &+= Int(words[Int(neuron &>> 6)] &>> UInt64(neuron & 63) & 1)
        }
        gpuSlots.removeLast(hot.count - hotCount)
        homes[layer].scatter(predicted, into: &slotWords)
        var dimmSlots = cold
        for dimm in cold.indices {
            let first = homes[layer].firstWord(ofDIMM: dimm)
            for (index, word) in cold[dimm].words.enumerated() {
                dimmSlots[dimm].setWord(word & slotWords[first + index], at: index)
            }
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
            homes[layer].gather(dimmSlots, hot: hot, gpuSlots: gpuSlots, into: &active)
        }
        let gatherEnd = WallInstant.now
        predictor.observe(
            layer: layer, block: Self.block, active: active, observed: isFull ? nil : predicted)
        below = active
        record.sharingNanoseconds += gatherEnd.nanoseconds - start.nanoseconds
        record.predictorNanoseconds += WallInstant.now.nanoseconds - gatherEnd.nanoseconds
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
struct NeuronHomes: Sendable {
    private var placeOfNeuron: [Int32]
    private var neuronAtPlace: [Int32]
    private let firstWords: [Int]
    let wordCount: Int

    /// Where neurons live from the start.
    init(_ home: HomeMap) {
        self.init(
            neuronCount: home.neuronCount,
            slotCounts: (0..<home.dimmCount).map { home.slotCount(ofDIMM: $0) }
        ) { (home.dimm(ofNeuron: $0), home.slot(ofNeuron: $0)) }
    }

    /// Where they live now.
    init(_ places: NeuronPlaces, layer: Int) {
        self.init(
            neuronCount: places.neuronCount(layer: layer),
            slotCounts: places.slotCounts(layer: layer)
        ) {
            (
                places.dimm(ofNeuron: $0, layer: layer),
                places.slot(ofNeuron: $0, layer: layer)
            )
        }
    }

    private init(
        neuronCount: Int, slotCounts: [Int], place: (Int) -> (dimm: Int, slot: Int)
    ) {
        var firstWords: [Int] = []
        var wordCount = 0
        for slotCount in slotCounts {
            firstWords.append(wordCount)
            wordCount += PackedSet.wordCount(elementCount: slotCount)
        }
        var neurons = [Int32](repeating: 0, count: 64 * wordCount)
        placeOfNeuron = (0..<neuronCount).map { neuron in
            let (dimm, slot) = place(neuron)
            let place = 64 * firstWords[dimm] + slot
            neurons[place] = Int32(neuron)
            return Int32(place)
        }
        neuronAtPlace = neurons
        self.firstWords = firstWords
        self.wordCount = wordCount
    }

    func firstWord(ofDIMM dimm: Int) -> Int { firstWords[dimm] }

    /// A DIMM's words among all.
    func words(ofDIMM dimm: Int) -> Range<Int> {
        firstWords[dimm]..<(dimm + 1 < firstWords.count ? firstWords[dimm + 1] : wordCount)
    }

    /// A neuron is at home elsewhere now.
    mutating func move(_ neuron: Int, toDIMM dimm: Int, slot: Int) {
        let place = 64 * firstWords[dimm] + slot
        placeOfNeuron[neuron] = Int32(place)
        neuronAtPlace[place] = Int32(neuron)
    }

    /// Overwrites `words`, [wordCount], with the places of `neurons`.
    func scatter(_ neurons: PackedSet, into words: inout [UInt64]) {
        for index in words.indices { words[index] = 0 }
        for (index, word) in neurons.words.enumerated() {
            var rest = word
            while rest != 0 {
                let place = Int(placeOfNeuron[64 &* index &+ rest.trailingZeroBitCount])
                words[place &>> 6] |= 1 &<< UInt64(place & 63)
                rest &= rest &- 1
            }
        }
    }

    /// Overwrites `neurons` with those in the DIMMs' slots and in the GPU's.
    func gather(
        _ slots: [PackedSet], hot: [UInt32], gpuSlots: ArraySlice<UInt32>,
        into neurons: inout PackedSet
    ) {
        var words = [UInt64](repeating: 0, count: neurons.words.count)
        for slot in gpuSlots {
            let neuron = Int(hot[Int(slot)])
            words[neuron &>> 6] |= 1 &<< UInt64(neuron & 63)
        }
        for (dimm, set) in slots.enumerated() {
            for (index, word) in set.words.enumerated() {
                let base = 64 &* (firstWords[dimm] &+ index)
                var rest = word
                while rest != 0 {
                    let neuron = Int(neuronAtPlace[base &+ rest.trailingZeroBitCount])
                    words[neuron &>> 6] |= 1 &<< UInt64(neuron & 63)
                    rest &= rest &- 1
                }
            }
        }
        for (index, word) in words.enumerated() { neurons.setWord(word, at: index) }
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
        let start = NeuronHomes(HomeMap(neuronCount: neuronCount, dimmCount: exchange.count))
        prediction = Prediction(
            setting: setting,
            truth: ActivityTruth(
                model: model, rule: options.rule, threadCount: options.threadCount),
            homes: (0..<model.shape.layerCount).map { layer in
                migration.map { NeuronHomes($0.places, layer: layer) } ?? start
            }, neuronCount: neuronCount, prefill: prefill)
    }

    /// How the predictions went; finds out the truth that scores need, which takes a while.
    package mutating func finishPrediction() -> PredictionRecord? {
        prediction?.finishedRecord()
    }
}
