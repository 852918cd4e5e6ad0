import ActivationPredictor
import PackedSets
import Pacing
import Quantities
import Scheduling

/// Some neurons of one layer that go from one DIMM to another in one message.
struct HandOver: Sendable {
    let from: Int
    let to: Int
    fileprivate(set) var moves: [NeuronPlaces.Move]

    fileprivate func isApart(from other: HandOver) -> Bool {
        from != other.from && from != other.to && to != other.from && to != other.to
    }
}

/// Copies of one layer's neurons that one DIMM sends to the GPU in one message.
struct HotCopies: Sendable {
    let dimm: Int
    fileprivate(set) var swaps: [HotSwap]
}

/// What moving neurons takes to know: who is where, who wants to go where, and what is on its way.
///
/// Decides between tokens and moves during the next: what was planned for a layer travels while
/// that layer's output projection runs, and counts from the end of the token on, if it has come.
struct Migration: Sendable {
    let policy: PlacementPolicy
    private(set) var places: NeuronPlaces
    private(set) var record = MigrationRecord()
    /// While held, nothing is observed, decided or moved: for rehearsals.
    var isHeld = false
    /// Before which wall instant a paced run's links have not delivered all that moved.
    var delivery: WallInstant?
    /// The same of the copies for the GPU alone.
    var copyDelivery: WallInstant?

    private let homesAtStart: HomeTable
    private var rebalancer: any Rebalancer
    private var adjustment: HotColdAdjustment?
    private var states: [[NeuronStateTable]]  // [layers][sequences]
    private let startStates: [[NeuronStateTable]]
    private var planned: [[Remap]]  // [layers]
    private var arrivals: [Arrival] = []
    private var hotArrivals: [HotArrival] = []
    private var active: PackedSet  // of the current layer, computed on DIMMs
    private var hotActive: PackedSet  // and on the GPU
    /// What each DIMM had to do of the layer that was observed last, [dimms].
    private(set) var lastLoads: [Int] = []

    private struct Arrival: Sendable {
        let move: NeuronPlaces.Move
        let isThere: Bool
        let time: EmulatedTime
    }

    /// A layer's copies that have come to the GPU and wait for the end of the token.
    struct HotArrival: Sendable {
        let layer: Int
        var swaps: [HotSwap]
        /// One neuron's weights after the other's, in the order of the swaps.
        var weights: [UInt8]
        var time: EmulatedTime
    }

    /// - Parameters:
    ///   - places: where the neurons are at the start.
    ///   - hotSet: what bounds the copies on the GPU.
    ///   - hot: who has one, [layers].
    ///   - prefill: what all prompts together showed.
    ///   - states: what each of several prompts left, [layers][sequences]; `nil` for one's.
    init(
        policy: PlacementPolicy, places: NeuronPlaces, hotSet: HotBudget, hot: [[UInt32]],
        prefill: PrefillActivity, states: [[NeuronStateTable]]? = nil
    ) {
        self.policy = policy
        let layout = prefill.layout
        self.places = places
        homesAtStart = places.homes
        rebalancer = policy.rebalancing.rebalancer(
            layout: layout, prefill: prefill, hot: hot, windowTokenCount: policy.windowTokenCount)
        self.states =
            states
            ?? (0..<layout.layerCount).map {
                [NeuronStateTable(after: prefill, layer: $0, block: NeuronPlaces.block)]
            }
        startStates = self.states
        if policy.adjustsHotSet {
            adjustment = HotColdAdjustment(
                layout: layout, budget: hotSet, hotThreshold: policy.constants.hotThreshold,
                residents: hot.map {
                    [NeuronPlaces.set($0, of: layout.neuronCounts[NeuronPlaces.block])]
                })
        }
        planned = Array(repeating: [], count: layout.layerCount)
        active = PackedSet(elementCount: layout.neuronCounts[NeuronPlaces.block])
        hotActive = active
    }

    // MARK: Observing

    /// The slots that a DIMM found active.
    mutating func note(active slots: PackedSet, ofDIMM dimm: Int, layer: Int) {
        guard !isHeld else { return }
        slots.forEachMember { slot in
            if let neuron = places.neuron(inSlot: slot, ofDIMM: dimm, layer: layer) {
                active.insert(neuron)
            }
        }
    }

    /// The slots that the GPU found active.
    mutating func noteGPU(active slots: ArraySlice<UInt32>, hot: [UInt32]) {
        guard !isHeld else { return }
        for slot in slots { hotActive.insert(Int(hot[Int(slot)])) }
    }

    /// All units have answered.
    ///
    /// - Parameter observed: the neurons that were computed; `nil` when all were.
    mutating func finish(layer: Int, observed: PackedSet? = nil) {
        guard !isHeld else { return }
        var all = active
        all.formUnion(hotActive)
        observe(layer: layer, cold: [active], active: [all], observed: observed.map { [$0] })
        active.removeAll()
        hotActive.removeAll()
    }

    /// A layer at one token.
    ///
    /// - Parameters:
    ///   - cold: the neurons that DIMMs computed, for each sequence of the batch.
    ///   - active: the neurons known to have been active, for each sequence.
    ///   - observed: the neurons of which it is known, for each; `nil` for all.
    ///   - foreseen: what the rebalancer is told in place of `cold`.
    mutating func observe(
        layer: Int, cold: [PackedSet], active: [PackedSet], observed: [PackedSet]? = nil,
        foreseen: [PackedSet]? = nil
    ) {
        guard !isHeld else { return }
        let block = NeuronPlaces.block
        for set in foreseen ?? cold {
            rebalancer.observe(layer: layer, block: block, activeCold: set)
        }
        let needs = ColdNeeds(cold)
        lastLoads = needs.loads(on: places.homes, layer: layer)
        record.imbalance.add(loads: lastLoads)
        record.imbalanceUnmoved.add(
            loads: record.remapCount == 0
                ? lastLoads : needs.loads(on: homesAtStart, layer: layer))
        // States are of use to the adjustment alone.
        guard adjustment != nil else { return }
        for (sequence, active) in active.enumerated() {
            states[layer][sequence].update(
                active: active,
                observed: policy.constants.unobserved == .held ? observed?[sequence] : nil,
                gain: policy.constants.gain, decay: policy.constants.decay)
        }
    }

    /// How often each DIMM is needed for some neurons, one set for each sequence, [dimms].
    func currentLoads(of cold: [PackedSet], layer: Int) -> [Int] {
        ColdNeeds(cold).loads(on: places.homes, layer: layer)
    }

    /// How active the layer's neurons were of late, for each sequence.
    func states(layer: Int) -> [NeuronStateTable] { states[layer] }

    /// How active they were in the prompts.
    func statesAtStart(layer: Int) -> [NeuronStateTable] { startStates[layer] }

    /// What speaks for copies on the GPU where that is not the states alone.
    struct HotScores {
        /// For those that have none.
        let wanted: NeuronScores
        /// For those that have one.
        let kept: NeuronScores
    }

    /// Whether copies on the GPU change.
    var adjustsHotSet: Bool { !isHeld && adjustment != nil }

    // MARK: Between DIMMs

    /// The layer's planned remaps as messages that can travel at the same time, round by round:
    /// in each a DIMM takes part in one.
    ///
    /// - Parameter neuronLimit: of one message.
    mutating func handOvers(layer: Int, neuronLimit: Int) -> [[HandOver]] {
        guard !isHeld else { return [] }
        var messages: [HandOver] = []
        for remap in planned[layer] {
            guard neuronLimit > 0,
                policy.machine.dimmLink(between: remap.from, and: remap.to) != nil,
                let move = places.propose(remap)
            else {
                record.refusedRemapCount += 1
                continue
            }
            let open = messages.lastIndex { $0.from == remap.from && $0.to == remap.to }
            if let open, messages[open].moves.count < neuronLimit {
                messages[open].moves.append(move)
            } else {
                messages.append(HandOver(from: remap.from, to: remap.to, moves: [move]))
            }
        }
        planned[layer] = []
        var rounds: [[HandOver]] = []
        for message in messages {
            let round = rounds.firstIndex { $0.allSatisfy(message.isApart) }
            if let round {
                rounds[round].append(message)
            } else {
                rounds.append([message])
            }
        }
        return rounds
    }

    /// The receiver has answered.
    ///
    /// - Parameters:
    ///   - isThere: whether it has the neurons.
    ///   - time: when they are written there.
    ///   - byteCount: weights that crossed the link.
    mutating func acknowledge(
        _ message: HandOver, isThere: Bool, at time: EmulatedTime, byteCount: Int
    ) {
        record.remapByteCount += byteCount
        for move in message.moves {
            arrivals.append(Arrival(move: move, isThere: isThere, time: time))
        }
    }

    // MARK: To the GPU

    /// Copies that the layer's states ask for, as messages of one DIMM each.
    ///
    /// - Parameters:
    ///   - wanted: in place of the states, what speaks for each neuron.
    ///   - byteLimit: what reaches the GPU in time.
    ///   - neuronLimit: of one message.
    mutating func hotCopies(
        layer: Int, wanted: HotScores? = nil, byteLimit: Int, neuronLimit: Int
    ) -> [HotCopies] {
        guard adjustsHotSet, neuronLimit > 0, byteLimit > 0 else { return [] }
        let swaps =
            adjustment?.plan(
                layer: layer, block: NeuronPlaces.block,
                scores: wanted?.wanted ?? NeuronScores(states[layer]), keeping: wanted?.kept,
                byteLimit: byteLimit) ?? []
        var messages: [HotCopies] = []
        for swap in swaps {
            let dimm = places.dimm(ofNeuron: swap.copiedIn, layer: layer)
            let open = messages.lastIndex { $0.dimm == dimm }
            if let open, messages[open].swaps.count < neuronLimit {
                messages[open].swaps.append(swap)
            } else {
                messages.append(HotCopies(dimm: dimm, swaps: [swap]))
            }
        }
        if !swaps.isEmpty {
            hotArrivals.append(
                HotArrival(layer: layer, swaps: [], weights: [], time: .start))
        }
        return messages
    }

    /// Copies have come to the GPU.
    ///
    /// - Parameter weights: one neuron's after the other's; empty where nobody computes with them.
    mutating func receive(
        _ message: HotCopies, weights: [UInt8], byteCount: Int, at time: EmulatedTime
    ) {
        guard let last = hotArrivals.indices.last else {
            preconditionFailure("copies come after they were asked for")
        }
        record.hotSwapByteCount += byteCount
        hotArrivals[last].swaps += message.swaps
        hotArrivals[last].weights += weights
        hotArrivals[last].time = max(hotArrivals[last].time, time)
    }

    // MARK: Between tokens

    /// What counts from the end of a token on.
    struct Settlement {
        /// Neurons that are at home elsewhere now.
        var moves: [NeuronPlaces.Move] = []
        /// Slots that are empty now.
        var released: [SlotRelease] = []
        /// Copies to put in place.
        var hot: [HotArrival] = []

        /// The layers that changed, ascending.
        var layers: [Int] {
            Set(released.map(\.layer) + hot.map(\.layer)).sorted()
        }
    }

    /// What is there by `now` counts from here on.
    mutating func settle(now: EmulatedTime) -> Settlement {
        guard !isHeld else { return Settlement() }
        var settlement = Settlement()
        for arrival in arrivals where arrival.time <= now {
            let (move, remap) = (arrival.move, arrival.move.remap)
            if arrival.isThere {
                places.commit(move)
                record.remapCount += 1
                settlement.moves.append(move)
                SlotRelease.add(
                    move.donorSlot, of: remap.from, remap.layer, to: &settlement.released)
            } else {
                places.abort(move)
                record.abortedRemapCount += 1
                SlotRelease.add(move.slot, of: remap.to, remap.layer, to: &settlement.released)
            }
        }
        arrivals.removeAll { $0.time <= now }
        settlement.hot = takeCopies { $0.time <= now }
        for remap in rebalancer.endToken(homes: places.homes) {
            planned[remap.layer].append(remap)
        }
        return settlement
    }

    /// A layer's copies that are on the GPU by `now`, within a token: they count from here on.
    mutating func settleCopies(layer: Int, now: EmulatedTime) -> Settlement {
        guard !isHeld else { return Settlement() }
        return Settlement(hot: takeCopies { $0.layer == layer && $0.time <= now })
    }

    private mutating func takeCopies(_ haveCome: (HotArrival) -> Bool) -> [HotArrival] {
        let come = hotArrivals.filter(haveCome)
        hotArrivals.removeAll(where: haveCome)
        for arrival in come {
            adjustment?.commit(layer: arrival.layer, block: NeuronPlaces.block)
            record.hotSwapCount += arrival.swaps.count
        }
        return come
    }
}

/// How often some neurons are needed, by one sequence or by several.
private enum ColdNeeds {
    case once(PackedSet)
    case often(MembershipCounts)

    /// - Parameter cold: one set for each sequence, at least one.
    init(_ cold: [PackedSet]) {
        guard cold.count > 1 else {
            self = .once(cold[0])
            return
        }
        var counts = MembershipCounts(
            elementCount: cold[0].elementCount, setCount: cold.count)
        for set in cold { counts.add(set) }
        self = .often(counts)
    }

    /// How often each DIMM is needed, [dimms].
    func loads(on homes: HomeTable, layer: Int) -> [Int] {
        switch self {
        case .once(let set): homes.loads(of: set, layer: layer, block: NeuronPlaces.block)
        case .often(let counts):
            homes.loads(of: counts, layer: layer, block: NeuronPlaces.block)
        }
    }
}

/// Slots of one DIMM in one layer that hold nothing any more.
struct SlotRelease: Sendable {
    let dimm: Int
    let layer: Int
    private(set) var slots: [UInt32]

    fileprivate static func add(
        _ slot: UInt32, of dimm: Int, _ layer: Int, to releases: inout [SlotRelease]
    ) {
        if let index = releases.firstIndex(where: { $0.dimm == dimm && $0.layer == layer }) {
            releases[index].slots.append(slot)
        } else {
            releases.append(SlotRelease(dimm: dimm, layer: layer, slots: [slot]))
        }
    }
}
