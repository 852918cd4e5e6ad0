import ActivationPredictor
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Scheduling
import Transformer

/// Where each feed-forward neuron is: its home DIMM and its slot there.
///
/// Starts as the workers load: in ascending slots, spare slots empty. A remap fills
/// the receiver's slot when it is proposed and empties the donor's when it is committed, so
/// between the two both DIMMs have the neuron and only its home computes it.
struct NeuronPlaces {
    /// Where a proposed remap takes its neuron.
    struct Move: Sendable {
        let ticket: RemapTicket
        let remap: Remap
        let donorSlot: UInt32
        let slot: UInt32
    }

    static let block = 0

    private(set) var homes: HomeTable
    private var tables: [[SlotTable]]  // [layers][DIMMs]
    private var slots: [[UInt32]]  // [layers][neurons], on the home DIMM
    private var moves: [RemapTicket: Move] = [:]

    init(model: DecoderModel, homes plan: HomePlan, mobility: ShardMobility) {
        let shape = model.shape
        let neurons = 0..<shape.feedForwardSize
        homes = HomeTable(
            layout: NeuronLayout(
                layerCount: shape.layerCount, neuronCounts: [shape.feedForwardSize]),
            dimmCount: plan.dimmCount,
            homes: plan.feedForward.map { map in
                [neurons.map { UInt16(map.dimm(ofNeuron: $0)) }]
            })
        tables = zip(model.weights.layers, plan.feedForward).map { weights, map in
            (0..<plan.dimmCount).map {
                SlotTable(
                    neurons: map.neurons(ofDIMM: $0), weights: weights, mobility: mobility)
            }
        }
        slots = plan.feedForward.map { map in neurons.map { UInt32(map.slot(ofNeuron: $0)) } }
    }

    /// Where neurons of a shape start: in ascending slots of the DIMMs named.
    ///
    /// - Parameters:
    ///   - homes: a DIMM for each neuron, [layers][neurons].
    ///   - slotCount: of every DIMM and layer; at least the neurons of any.
    init(homes start: [[UInt16]], dimmCount: Int, slotCount: Int) {
        homes = HomeTable(
            layout: NeuronLayout(
                layerCount: start.count, neuronCounts: [start.first?.count ?? 0]),
            dimmCount: dimmCount, homes: start.map { [$0] })
        tables = []
        slots = []
        for homesOfLayer in start {
            var neurons = Array(repeating: [UInt32](), count: dimmCount)
            slots.append(
                homesOfLayer.enumerated().map { neuron, dimm in
                    neurons[Int(dimm)].append(UInt32(neuron))
                    return UInt32(neurons[Int(dimm)].count - 1)
                })
            tables.append(neurons.map { SlotTable(neurons: $0, slotCount: slotCount) })
        }
    }

    // MARK: Asking

    func dimm(ofNeuron neuron: Int, layer: Int) -> Int {
        homes.home(layer: layer, block: Self.block, neuron: neuron)
    }

    /// On its home DIMM.
    func slot(ofNeuron neuron: Int, layer: Int) -> Int { Int(slots[layer][neuron]) }

    func neuronCount(layer: Int) -> Int { slots[layer].count }

    /// Of each DIMM, empty ones included, [DIMMs].
    func slotCounts(layer: Int) -> [Int] { tables[layer].map(\.slotCount) }

    /// `nil` for an empty slot.
    func neuron(inSlot slot: Int, ofDIMM dimm: Int, layer: Int) -> Int? {
        tables[layer][dimm].neuron(inSlot: slot).map { Int($0) }
    }

    /// The slots of the neurons at home on each DIMM that are not hot, [DIMMs].
    func coldSets(layer: Int, hot: [UInt32]) -> [PackedSet] {
        var sets = tables[layer].map { PackedSet(elementCount: $0.slotCount) }
        let hotSet = Self.set(hot, of: slots[layer].count)
        for neuron in slots[layer].indices where !hotSet.contains(neuron) {
            sets[dimm(ofNeuron: neuron, layer: layer)].insert(slot(ofNeuron: neuron, layer: layer))
        }
        return sets
    }

    static func set(_ neurons: [UInt32], of neuronCount: Int) -> PackedSet {
        PackedSet(elementCount: neuronCount, members: neurons.map { Int($0) })
    }

    // MARK: Moving

    /// Reserves a slot on the receiver; `nil` when it has none, or the remap makes no sense.
    mutating func propose(_ remap: Remap) -> Move? {
        guard remap.to >= 0, remap.to < homes.dimmCount, remap.layer < tables.count,
            let slot = tables[remap.layer][remap.to].emptySlot(for: UInt32(remap.neuron)),
            let ticket = try? homes.propose(remap)
        else { return nil }
        tables[remap.layer][remap.to].fill(slot, with: UInt32(remap.neuron))
        let move = Move(
            ticket: ticket, remap: remap, donorSlot: slots[remap.layer][remap.neuron],
            slot: UInt32(slot))
        moves[ticket] = move
        return move
    }

    /// The receiver has the weights: it is the home from now on, and the donor's slot is empty.
    mutating func commit(_ move: Move) {
        close(move) { (homes, ticket) throws(SchedulingError) in try homes.commit(ticket) }
        let remap = move.remap
        tables[remap.layer][remap.from].release(Int(move.donorSlot))
        slots[remap.layer][remap.neuron] = move.slot
    }

    /// The receiver does not have them: as if nothing had been proposed.
    mutating func abort(_ move: Move) {
        close(move) { (homes, ticket) throws(SchedulingError) in try homes.abort(ticket) }
        tables[move.remap.layer][move.remap.to].release(Int(move.slot))
    }

    private mutating func close(
        _ move: Move, _ body: (inout HomeTable, RemapTicket) throws(SchedulingError) -> Void
    ) {
        precondition(moves.removeValue(forKey: move.ticket) != nil, "the move is not in flight")
        do {
            try body(&homes, move.ticket)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
