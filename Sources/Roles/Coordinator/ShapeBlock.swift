import ActivationPredictor
import Messages
import ModelCatalogue
import PackedSets
import Pacing
import Quantities
import Scheduling

/// QKV or MLP of a run by shape: where its neurons are, which of them are hot, and what each unit
/// computes of the current layer.
struct ShapeBlock {
    let neuronCount: Int
    let wireBlock: ShapeConfiguration.Block
    var migration: Migration
    /// The neurons known to be active in the layer below, one set per sequence; `nil` in layer 0.
    private(set) var known: [PackedSet?]
    /// What the GPU computes of the current layer.
    var hotWork: (byteCount: Int, macCount: Int) {
        (planned.hotByteCount, planned.hotMACCount)
    }

    private let batchSize: Int
    private let dimmCount: Int
    private let filledSlotCounts: [[Int]]  // [layers][DIMMs]
    private let policy: PlacementPolicy
    private let hotBudget: HotBudget
    private var hot: [PackedSet]  // [layers]
    /// What the units have to do in the current layer.
    private var planned = BlockLoad()
    /// The DIMMs' time for each of them, when the layer was computed last; picoseconds, [layers].
    private var dimmTimes: [Double?]
    private var homes: [ShapeHomes]  // [layers]
    private var slotWords: [[UInt64]]  // [sequences][words of all DIMMs]
    /// Known to be active in the current layer, for each sequence.
    private var knownNow: [PackedSet]
    /// And in the one below.
    private var knownBelow: [PackedSet] = []
    /// Scores of 0, with what decides between equal ones: who was more active in the prompts,
    /// [layers]. Empty where no copies are made.
    private var noScores: [NeuronScores] = []

    init(block: Int, options: ShapeOptions, dimmCount: Int) {
        let model = options.model
        let start = options.placement.homes.map { $0[block] }
        neuronCount = block == 0 ? model.hiddenSize : model.feedForwardSize
        batchSize = options.batchSize
        self.dimmCount = dimmCount
        policy = options.policy
        filledSlotCounts = start.map { homes in
            var counts = Array(repeating: 0, count: dimmCount)
            for dimm in homes { counts[Int(dimm)] += 1 }
            return counts
        }
        let spareCount =
            policy.rebalancing == .none
            ? 0
            : PlacementPolicy.spareSlotCount(neuronCount: neuronCount, dimmCount: dimmCount)
        let slotCount = (filledSlotCounts.joined().max() ?? 0) + spareCount
        let width = block == 0 ? model.qkvWidth : model.hiddenSize
        wireBlock = ShapeConfiguration.Block(
            slotCount: slotCount,
            neuronByteCount: block == 0
                ? model.qkvNeuronByteCount : model.feedForwardNeuronByteCount,
            weightsPerNeuron: block == 0 ? model.qkvWidth : model.feedForwardNeuronWeightCount,
            inputByteCount: model.hiddenSize * model.bytesPerActivation,
            sumByteCount: width * model.bytesPerActivation)
        let places = NeuronPlaces(homes: start, dimmCount: dimmCount, slotCount: slotCount)
        hot = options.placement.hot.map { $0[block] }
        homes = (0..<model.layerCount).map { ShapeHomes(places, layer: $0) }
        slotWords = Array(
            repeating: Array(repeating: 0, count: homes.first?.wordCount ?? 0),
            count: options.batchSize)
        known = Array(repeating: nil, count: options.batchSize)
        dimmTimes = Array(repeating: nil, count: model.layerCount)
        knownNow = Array(
            repeating: PackedSet(elementCount: neuronCount), count: options.batchSize)
        // Copies overwrite copies: their memory stays what the chosen ones take.
        hotBudget = HotBudget(
            hotShare: options.hotShare,
            memoryByteCount: hot.reduce(0) { $0 + $1.memberCount } * wireBlock.neuronByteCount,
            bytesPerNeuron: [wireBlock.neuronByteCount])
        migration = Migration(
            policy: policy, places: places, hotSet: hotBudget,
            hot: hot.map { $0.members.map { UInt32($0) } },
            prefill: PrefillActivity(
                layout: NeuronLayout(layerCount: model.layerCount, neuronCounts: [neuronCount])))
    }

    /// The prompts' activity sets the neurons' states.
    mutating func beginDecode(after prompts: [PrefillActivity], block: Int) {
        let layout = NeuronLayout(layerCount: hot.count, neuronCounts: [neuronCount])
        var counts = Array(
            repeating: [[UInt32](repeating: 0, count: neuronCount)], count: hot.count)
        for prompt in prompts {
            for layer in counts.indices {
                for (neuron, count) in prompt.activeCounts(layer: layer, block: block).enumerated()
                { counts[layer][0][neuron] += count }
            }
        }
        let tokenCount = prompts.reduce(0) { $0 + $1.tokenCount(layer: 0, block: block) }
        migration = Migration(
            policy: policy, places: migration.places, hotSet: hotBudget,
            hot: hot.map { $0.members.map { UInt32($0) } },
            prefill: PrefillActivity(layout: layout, counts: counts, tokenCount: tokenCount),
            states: counts.indices.map { layer in
                prompts.map { NeuronStateTable(after: $0, layer: layer, block: block) }
            })
        guard migration.adjustsHotSet else { return }
        noScores = counts.indices.map { layer in
            NeuronScores(preferring: migration.statesAtStart(layer: layer), largest: largestScore)
        }
    }

    /// What speaks for one neuron in one sequence, at most.
    private var largestScore: Int {
        NeuronStateTable.maximumState + 2 * policy.constants.correlationWeight
    }

    // MARK: Sizes

    func filledSlotCount(ofDIMM dimm: Int, layer: Int) -> Int { filledSlotCounts[layer][dimm] }

    func hotByteCount(layer: Int) -> Int { hot[layer].memberCount * wireBlock.neuronByteCount }

    var hotByteCount: Int { hot.indices.reduce(0) { $0 + hotByteCount(layer: $1) } }

    private var setByteCount: Int { 8 * PackedSet.wordCount(elementCount: wireBlock.slotCount) }

    /// Payload of a request: a set and an input for each sequence.
    var requestByteCount: Int { requestSetsByteCount + batchSize * wireBlock.inputByteCount }

    /// Its part that means anything: the sets, which come first.
    var requestSetsByteCount: Int { batchSize * setByteCount }

    /// Payload of its reply: a sum and a set for each sequence.
    var replyByteCount: Int { batchSize * (wireBlock.sumByteCount + setByteCount) }

    // MARK: One layer

    /// Which neurons of the layer are known to have been active in a sequence.
    mutating func note(known active: PackedSet, sequence: Int, isLastLayer: Bool) {
        knownNow[sequence] = active
        known[sequence] = isLastLayer ? nil : active
    }

    /// Shares the layer's computed neurons out to the units.
    ///
    /// - Parameters:
    ///   - computed: for each sequence.
    ///   - observesAll: whether it is known of all neurons whether they were active.
    ///   - foreseen: who will be active, one set for each sequence, where that is known.
    mutating func plan(
        _ computed: [PackedSet], layer: Int, observesAll: Bool, foreseen: [PackedSet]?
    ) {
        var union = computed[0]
        var hotProductCount = 0
        var lastHotCount = 0
        var cold: [PackedSet] = []
        for (sequence, set) in computed.enumerated() {
            // Without sparsity all sequences compute the same.
            if sequence > 0, set == computed[sequence - 1] {
                hotProductCount += lastHotCount
                slotWords[sequence] = slotWords[sequence - 1]
                cold.append(cold[sequence - 1])
                continue
            }
            if sequence > 0 { union.formUnion(set) }
            lastHotCount = set.intersectionCount(hot[layer])
            hotProductCount += lastHotCount
            var rest = set
            rest.subtract(hot[layer])
            homes[layer].scatter(rest, into: &slotWords[sequence])
            cold.append(rest)
        }
        let hotCount = union.intersectionCount(hot[layer])
        migration.observe(
            layer: layer, cold: cold, active: knownNow, observed: observesAll ? nil : computed,
            foreseen: foreseen?.map { set in
                var rest = set
                rest.subtract(hot[layer])
                return rest
            })
        planned = BlockLoad(
            hotByteCount: hotCount * wireBlock.neuronByteCount,
            hotMACCount: hotProductCount * wireBlock.weightsPerNeuron,
            coldCount: union.memberCount - hotCount,
            busiestProductCount: migration.lastLoads.max() ?? 0)
    }

    /// What the units have to do for neurons that are computed, one set for each sequence.
    private func load(of computed: [PackedSet], layer: Int) -> BlockLoad {
        var union = computed[0]
        for set in computed.dropFirst() { union.formUnion(set) }
        let hotCount = union.intersectionCount(hot[layer])
        let hotProductCount = computed.reduce(0) { $0 + $1.intersectionCount(hot[layer]) }
        let cold = computed.map { set in
            var rest = set
            rest.subtract(hot[layer])
            return rest
        }
        return BlockLoad(
            hotByteCount: hotCount * wireBlock.neuronByteCount,
            hotMACCount: hotProductCount * wireBlock.weightsPerNeuron,
            coldCount: union.memberCount - hotCount,
            busiestProductCount: migration.currentLoads(of: cold, layer: layer).max() ?? 0)
    }

    /// Notes how long the DIMMs took for the layer's neurons, as it was planned last.
    mutating func noteEnd(_ end: Timekeeper.StepEnd?, layer: Int) {
        guard let end, let last = end.arrivals.values.max(), planned.busiestProductCount > 0
        else { return }
        dimmTimes[layer] =
            Double((last - end.start).picoseconds) / Double(planned.busiestProductCount)
    }

    /// Copies that shorten the layer's time: until the GPU takes as long as the slowest DIMM.
    ///
    /// Each copy takes its share of the DIMMs' time away and adds its own to the GPU's. None before
    /// the layer's first step, which shows how long the DIMMs take.
    ///
    /// - Parameter computed: who is computed next, one set for each sequence.
    func usefulCopyCount(
        for computed: [PackedSet], layer: Int, machine: EmulatedMachine
    ) -> Int {
        guard migration.adjustsHotSet, let perProduct = dimmTimes[layer] else { return 0 }
        let load = load(of: computed, layer: layer)
        guard load.coldCount > 0 else { return 0 }
        let dimms = perProduct * Double(load.busiestProductCount)
        func gpu(withMore count: Int) -> Double {
            Double(
                machine.kernelDuration(
                    byteCount: load.hotByteCount + count * wireBlock.neuronByteCount,
                    macCount: load.hotMACCount + count * batchSize * wireBlock.weightsPerNeuron
                ).picoseconds)
        }
        let now = gpu(withMore: 0)
        let slope = (gpu(withMore: load.coldCount) - now + dimms) / Double(load.coldCount)
        return dimms > now ? Int((dimms - now) / slope) : 0
    }

    /// The layer is through: what is known of it is what the next one's parents are.
    mutating func endLayer(_ layer: Int) {
        knownBelow = layer + 1 == hot.count ? [] : knownNow
    }

    /// Writes each sequence's set of a DIMM's slots behind the header.
    func writeSlots(ofDIMM dimm: Int, layer: Int, into message: inout MutableRawSpan) {
        let words = homes[layer].words(ofDIMM: dimm)
        for (sequence, all) in slotWords.enumerated() {
            message.store(
                all.span.extracting(words),
                at: MessageHeader.byteCount + sequence * setByteCount)
        }
    }

    // MARK: Movement

    /// What speaks for copies on the GPU; `nil` where none can be made.
    func scores(
        layer: Int, by options: ShapeOptions, block: Int, byteLimit: Int
    ) -> Migration.HotScores? {
        guard migration.adjustsHotSet, byteLimit >= wireBlock.neuronByteCount else { return nil }
        let criterion = options.hotCriterion
        let parents =
            criterion == .token || layer == 0
            ? nil : options.correlations?.parents(layer: layer, block: block)
        let states = migration.states(layer: layer)
        func scores(from none: NeuronScores) -> NeuronScores {
            var scores = none
            if criterion != .layer {
                for table in states { scores.add(table) }
            }
            if let parents {
                scores.add(
                    policy.constants.correlationWeight, forActiveParents: parents,
                    below: knownBelow)
            }
            return scores
        }
        // Between equals, who was more active in the prompts will be needed longer.
        let wanted = scores(from: noScores[layer])
        return Migration.HotScores(
            wanted: wanted,
            // Parents alone say nothing of most residents: then the lowest state goes, as ever.
            kept: criterion == .layer
                ? scores(from: NeuronScores(preferring: states, largest: largestScore)) : wanted)
    }

    /// What counts from now on.
    mutating func apply(_ settled: Migration.Settlement) {
        for move in settled.moves {
            homes[move.remap.layer].move(
                move.remap.neuron, toDIMM: move.remap.to, slot: Int(move.slot))
        }
        for arrival in settled.hot {
            for swap in arrival.swaps {
                hot[arrival.layer].insert(swap.copiedIn)
                if let evicted = swap.evicted { hot[arrival.layer].remove(evicted) }
            }
        }
    }
}

/// What the units have to do in a block of a layer.
private struct BlockLoad {
    var hotByteCount = 0
    var hotMACCount = 0
    /// Neurons that any DIMM reads.
    var coldCount = 0
    /// Pairs of a neuron and a sequence that needs it, on the DIMM that has most.
    var busiestProductCount = 0
}

/// The place of each neuron among the DIMMs' sets of slots, one behind the other, each begun at a
/// word of its own. Neurons move one at a time, which tables of a run with weights do not allow.
private struct ShapeHomes: Sendable {
    private var placeOfNeuron: [Int32]
    private let firstWords: [Int]
    let wordCount: Int

    init(_ places: NeuronPlaces, layer: Int) {
        var firstWords: [Int] = []
        var wordCount = 0
        for slotCount in places.slotCounts(layer: layer) {
            firstWords.append(wordCount)
            wordCount += PackedSet.wordCount(elementCount: slotCount)
        }
        placeOfNeuron = (0..<places.neuronCount(layer: layer)).map { neuron in
            let dimm = places.dimm(ofNeuron: neuron, layer: layer)
            return Int32(64 * firstWords[dimm] + places.slot(ofNeuron: neuron, layer: layer))
        }
        self.firstWords = firstWords
        self.wordCount = wordCount
    }

    /// A DIMM's words among all.
    func words(ofDIMM dimm: Int) -> Range<Int> {
        firstWords[dimm]..<(dimm + 1 < firstWords.count ? firstWords[dimm + 1] : wordCount)
    }

    /// A neuron is at home elsewhere now.
    mutating func move(_ neuron: Int, toDIMM dimm: Int, slot: Int) {
        placeOfNeuron[neuron] = Int32(64 * firstWords[dimm] + slot)
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
}
