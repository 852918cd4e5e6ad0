import ActivationPredictor
import PackedSets
import Scheduling
import SeededRandom
import Testing

/// A neuron has one home, whatever fails on its way to another.
@Suite struct HomeTableTests {
    static let layout = NeuronLayout(layerCount: 2, neuronCounts: [40, 70])

    /// Where each neuron lives according to each of the table's answers, or what is wrong.
    private func fault(in table: HomeTable, expected: [[[UInt16]]]) -> String? {
        for layer in 0..<table.layout.layerCount {
            for block in 0..<table.layout.blockCount {
                if table.homes(layer: layer, block: block) != expected[layer][block] {
                    return "layer \(layer), block \(block): other homes"
                }
                let neuronCount = table.layout.neuronCounts[block]
                let all = PackedSet.full(elementCount: neuronCount)
                var seen = PackedSet(elementCount: neuronCount)
                var count = 0
                for dimm in 0..<table.dimmCount {
                    let residents = table.residents(layer: layer, block: block, dimm: dimm)
                    seen.formUnion(residents)
                    count += residents.memberCount
                    if residents.members.contains(where: {
                        table.home(layer: layer, block: block, neuron: $0) != dimm
                    }) {
                        return "layer \(layer), block \(block): residents do not agree with homes"
                    }
                }
                if seen != all || count != neuronCount {
                    return "layer \(layer), block \(block): a neuron lost, or at home twice"
                }
                if table.loads(of: all, layer: layer, block: block).reduce(0, +) != neuronCount {
                    return "layer \(layer), block \(block): loads do not add up"
                }
            }
        }
        return nil
    }

    @Test(arguments: 0..<8)
    func `After any remaps with failures between, every neuron has one home`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let dimmCount = Int.random(in: 1...9, using: &random)
        var model = DrawnActivity.homes(
            layout: Self.layout, dimmCount: dimmCount, using: &random)
        let memory = DIMMMemory(
            bytesPerNeuron: [3, 5],
            byteCounts: (0..<dimmCount).map { _ in Int.random(in: 940...1500, using: &random) })
        var table = HomeTable(
            layout: Self.layout, dimmCount: dimmCount, homes: model, memory: memory)
        var open: [(ticket: RemapTicket, remap: Remap)] = []
        var outcomes: [String: Int] = [:]
        for step in 0..<3000 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<11:
                let remap = drawRemap(dimmCount: dimmCount, using: &random)
                do {
                    open.append((try table.propose(remap), remap))
                    outcomes["proposed", default: 0] += 1
                } catch { outcomes["refused", default: 0] += 1 }
            case 11..<18 where !open.isEmpty:
                let index = Int.random(in: open.indices, using: &random)
                let (ticket, remap) = open.remove(at: index)
                if Bool.random(using: &random) {
                    try table.commit(ticket)
                    model[remap.layer][remap.block][remap.neuron] = UInt16(remap.to)
                    // A second acknowledgement of the same remap must change nothing.
                    #expect(throws: SchedulingError.unknownTicket(ticket)) {
                        try table.commit(ticket)
                    }
                } else {
                    try table.abort(ticket)
                }
            case 18 where step % 10 == 0:
                let dimm = Int.random(in: 0..<dimmCount, using: &random)
                let before = open.count
                open.removeAll { $0.remap.from == dimm || $0.remap.to == dimm }
                #expect(try table.abortAll(dimm: dimm) == before - open.count)
            default: break
            }
            if let fault = fault(in: table, expected: model) {
                Issue.record("step \(step): \(fault)")
                return
            }
            for dimm in 0..<dimmCount where table.freeByteCount(dimm: dimm) ?? -1 < 0 {
                Issue.record("step \(step): DIMM \(dimm) holds more than it can")
                return
            }
        }
        #expect(table.inFlight.map(\.ticket) == open.map(\.ticket).sorted())
        #expect(dimmCount == 1 || outcomes["proposed", default: 0] > 100)
        for entry in open { try table.abort(entry.ticket) }
        let fresh = HomeTable(
            layout: Self.layout, dimmCount: dimmCount, homes: model, memory: memory)
        for dimm in 0..<dimmCount {
            #expect(table.freeByteCount(dimm: dimm) == fresh.freeByteCount(dimm: dimm))
        }
    }

    /// Often, but not always, one that can be made.
    private func drawRemap(dimmCount: Int, using random: inout SplitMix64) -> Remap {
        let block = Int.random(in: 0...1, using: &random)
        return Remap(
            layer: Int.random(in: 0...1, using: &random), block: block,
            neuron: Int.random(in: 0..<Self.layout.neuronCounts[block], using: &random),
            from: Int.random(in: 0..<dimmCount, using: &random),
            to: Int.random(in: 0..<dimmCount, using: &random))
    }

    @Test func `Until it is committed a neuron stays at home, and then the donor has room`() throws
    {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [2])
        var table = HomeTable(
            layout: layout, dimmCount: 2, homes: [[[0, 0]]],
            memory: DIMMMemory(bytesPerNeuron: [10], byteCounts: [20, 10]))
        let remap = Remap(layer: 0, block: 0, neuron: 1, from: 0, to: 1)
        let before = table
        let first = try table.propose(remap)
        #expect(table.home(layer: 0, block: 0, neuron: 1) == 0)
        #expect((0...1).map { table.freeByteCount(dimm: $0) } == [0, 0])
        #expect(throws: SchedulingError.inFlight(remap)) { try table.propose(remap) }
        try table.abort(first)
        #expect(table.homes(layer: 0, block: 0) == before.homes(layer: 0, block: 0))
        #expect((0...1).map { table.freeByteCount(dimm: $0) } == [0, 10])
        try table.commit(table.propose(remap))
        #expect(table.home(layer: 0, block: 0, neuron: 1) == 1)
        #expect((0...1).map { table.freeByteCount(dimm: $0) } == [10, 0])
    }

    @Test func `What cannot be moved is refused, with its reason`() throws {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [2])
        var table = HomeTable(
            layout: layout, dimmCount: 2, homes: [[[0, 0]]],
            memory: DIMMMemory(bytesPerNeuron: [10], byteCounts: [20, 9]))
        let before = table
        func remap(
            layer: Int = 0, block: Int = 0, neuron: Int = 0, from: Int = 0, to: Int = 1
        ) -> Remap {
            Remap(layer: layer, block: block, neuron: neuron, from: from, to: to)
        }
        let unknown = [
            remap(layer: 1), remap(layer: -1), remap(block: 1), remap(block: -1),
            remap(neuron: 2), remap(neuron: -1), remap(from: 2), remap(from: -1), remap(to: 2),
            remap(to: -1),
        ]
        let cases: [(Remap, SchedulingError)] =
            unknown.map { ($0, .unknownPlace($0)) } + [
                (remap(to: 0), .sameHome(remap(to: 0))),
                (remap(from: 1, to: 0), .notAtHome(remap(from: 1, to: 0), home: 0)),
                (remap(), .noMemory(remap(), freeByteCount: 9)),
            ]
        for (remap, error) in cases {
            #expect(throws: error) { try table.propose(remap) }
            #expect(error.description.contains("layer \(remap.layer)"))
        }
        #expect(table == before)
        let ticket = RemapTicket(number: 7)
        #expect(throws: SchedulingError.unknownTicket(ticket)) { try table.abort(ticket) }
        #expect(throws: SchedulingError.unknownTicket(ticket)) { try table.commit(ticket) }
    }

    @Test func `Without limits memory is no question`() {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [1])
        let table = HomeTable(layout: layout, dimmCount: 1, homes: [[[0]]])
        #expect(table.freeByteCount(dimm: 0) == nil)
    }

    @Test func `Homes that do not fit the DIMMs are a broken contract`() async {
        await #expect(processExitsWith: .failure) {
            _ = HomeTable(
                layout: NeuronLayout(layerCount: 1, neuronCounts: [2]), dimmCount: 1,
                homes: [[[0, 0]]], memory: DIMMMemory(bytesPerNeuron: [10], byteCounts: [19]))
        }
    }
}
