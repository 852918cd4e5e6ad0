package import ActivationPredictor
package import PackedSets

/// One neuron's change of home.
package struct Remap: Hashable, Sendable, CustomStringConvertible {
    package let layer: Int
    package let block: Int
    package let neuron: Int
    package let from: Int
    package let to: Int

    package init(layer: Int, block: Int, neuron: Int, from: Int, to: Int) {
        self.layer = layer
        self.block = block
        self.neuron = neuron
        self.from = from
        self.to = to
    }

    package var description: String {
        "remap of layer \(layer), block \(block), neuron \(neuron) from DIMM \(from) to \(to)"
    }
}

/// Names a proposed remap until it is committed or aborted.
package struct RemapTicket: Hashable, Comparable, Sendable {
    package let number: Int

    package init(number: Int) { self.number = number }

    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// Memory for neurons on the DIMMs.
package struct DIMMMemory: Equatable, Sendable {
    /// One neuron's weights, [blocks].
    package let bytesPerNeuron: [Int]
    /// Room for neurons, [dimms].
    package let byteCounts: [Int]

    package init(bytesPerNeuron: [Int], byteCounts: [Int]) {
        precondition(bytesPerNeuron.allSatisfy { $0 >= 0 })
        self.bytesPerNeuron = bytesPerNeuron
        self.byteCounts = byteCounts
    }
}

/// Which DIMM each neuron is at home on: exactly one, at every moment.
///
/// A remap takes two steps. ``propose(_:)`` reserves room on the receiver while the donor stays
/// the home and goes on computing the neuron. Only when the receiver has acknowledged the weights
/// does ``commit(_:)`` move it; ``abort(_:)`` leaves everything as it was. So whatever fails in
/// between, the neuron is neither lost nor computed twice.
package struct HomeTable: Equatable, Sendable {
    package static let dimmLimit = 1 << 16

    package let layout: NeuronLayout
    package let dimmCount: Int
    private let memory: DIMMMemory?
    private var homes: [[[UInt16]]]  // [layers][blocks][neurons]
    private var residents: [[[PackedSet]]]  // [layers][blocks][dimms]
    private var freeByteCounts: [Int]  // [dimms]; below room that is reserved
    private var remapsInFlight: [RemapTicket: Remap] = [:]
    private var neuronsInFlight: Set<[Int]> = []  // layer, block, neuron
    private var nextTicket = 0

    /// - Parameters:
    ///   - homes: a DIMM for each neuron, [layers][blocks][neurons].
    ///   - memory: nil lets every DIMM hold everything; otherwise `homes` must fit it.
    package init(
        layout: NeuronLayout, dimmCount: Int, homes: [[[UInt16]]], memory: DIMMMemory? = nil
    ) {
        precondition(dimmCount >= 1 && dimmCount <= Self.dimmLimit)
        precondition(homes.count == layout.layerCount)
        precondition(homes.allSatisfy { $0.map(\.count) == layout.neuronCounts })
        precondition(memory == nil || memory?.byteCounts.count == dimmCount)
        precondition(memory == nil || memory?.bytesPerNeuron.count == layout.blockCount)
        self.layout = layout
        self.dimmCount = dimmCount
        self.memory = memory
        self.homes = homes
        residents = layout.map { layer, block in
            var sets = Array(
                repeating: PackedSet(elementCount: layout.neuronCounts[block]), count: dimmCount)
            for (neuron, dimm) in homes[layer][block].enumerated() {
                sets[Int(dimm)].insert(neuron)
            }
            return sets
        }
        freeByteCounts = memory?.byteCounts ?? []
        guard let memory else { return }
        for blocks in residents {
            for (block, sets) in blocks.enumerated() {
                for (dimm, set) in sets.enumerated() {
                    freeByteCounts[dimm] -= set.memberCount * memory.bytesPerNeuron[block]
                }
            }
        }
        precondition(freeByteCounts.allSatisfy { $0 >= 0 })
    }

    // MARK: Asking

    package func home(layer: Int, block: Int, neuron: Int) -> Int {
        Int(homes[layer][block][neuron])
    }

    /// The homes of one block's neurons, [neurons].
    package func homes(layer: Int, block: Int) -> [UInt16] { homes[layer][block] }

    /// The neurons at home on a DIMM.
    package func residents(layer: Int, block: Int, dimm: Int) -> PackedSet {
        residents[layer][block][dimm]
    }

    /// How many of `neurons` are at home on each DIMM, [dimms].
    package func loads(of neurons: PackedSet, layer: Int, block: Int) -> [Int] {
        residents[layer][block].map { $0.intersectionCount(neurons) }
    }

    /// How many of the counted neurons are at home on each DIMM, each as often as it was counted,
    /// [dimms].
    package func loads(of counts: MembershipCounts, layer: Int, block: Int) -> [Int] {
        residents[layer][block].map { counts.total(in: $0) }
    }

    /// Memory neither taken nor reserved; nil where memory is not limited.
    package func freeByteCount(dimm: Int) -> Int? { memory == nil ? nil : freeByteCounts[dimm] }

    /// Proposed and neither committed nor aborted, oldest first.
    package var inFlight: [(ticket: RemapTicket, remap: Remap)] {
        remapsInFlight.sorted { $0.key < $1.key }.map { (ticket: $0.key, remap: $0.value) }
    }

    // MARK: Moving

    /// Reserves room for the neuron on its new DIMM; its home stays where it is.
    ///
    /// - Throws: why it cannot move; the table is then unchanged.
    package mutating func propose(_ remap: Remap) throws(SchedulingError) -> RemapTicket {
        guard layout.layerCount > remap.layer, remap.layer >= 0,
            layout.blockCount > remap.block, remap.block >= 0,
            layout.neuronCounts[remap.block] > remap.neuron, remap.neuron >= 0,
            remap.to >= 0, remap.to < dimmCount, remap.from >= 0, remap.from < dimmCount
        else { throw .unknownPlace(remap) }
        guard remap.from != remap.to else { throw .sameHome(remap) }
        let home = home(layer: remap.layer, block: remap.block, neuron: remap.neuron)
        guard home == remap.from else { throw .notAtHome(remap, home: home) }
        guard !neuronsInFlight.contains(Self.place(remap)) else { throw .inFlight(remap) }
        if let memory {
            let byteCount = memory.bytesPerNeuron[remap.block]
            guard freeByteCounts[remap.to] >= byteCount else {
                throw .noMemory(remap, freeByteCount: freeByteCounts[remap.to])
            }
            freeByteCounts[remap.to] -= byteCount
        }
        let ticket = RemapTicket(number: nextTicket)
        nextTicket += 1
        remapsInFlight[ticket] = remap
        neuronsInFlight.insert(Self.place(remap))
        return ticket
    }

    /// The receiver has the weights: it is the neuron's home from now on, and the donor's memory
    /// is free.
    package mutating func commit(_ ticket: RemapTicket) throws(SchedulingError) {
        let remap = try close(ticket)
        homes[remap.layer][remap.block][remap.neuron] = UInt16(remap.to)
        residents[remap.layer][remap.block][remap.from].remove(remap.neuron)
        residents[remap.layer][remap.block][remap.to].insert(remap.neuron)
        if let memory { freeByteCounts[remap.from] += memory.bytesPerNeuron[remap.block] }
    }

    /// The remap failed: as if it had not been proposed.
    package mutating func abort(_ ticket: RemapTicket) throws(SchedulingError) {
        let remap = try close(ticket)
        if let memory { freeByteCounts[remap.to] += memory.bytesPerNeuron[remap.block] }
    }

    /// Aborts all remaps from or to a DIMM, whose worker is gone.
    ///
    /// - Returns: how many there were.
    @discardableResult
    package mutating func abortAll(dimm: Int) throws(SchedulingError) -> Int {
        let concerned = inFlight.filter { $0.remap.from == dimm || $0.remap.to == dimm }
        for entry in concerned { try abort(entry.ticket) }
        return concerned.count
    }

    private mutating func close(_ ticket: RemapTicket) throws(SchedulingError) -> Remap {
        guard let remap = remapsInFlight.removeValue(forKey: ticket) else {
            throw .unknownTicket(ticket)
        }
        neuronsInFlight.remove(Self.place(remap))
        return remap
    }

    private static func place(_ remap: Remap) -> [Int] { [remap.layer, remap.block, remap.neuron] }
}
