import ActivationPredictor
import PackedSets
import Quantities
import Scheduling
import SeededRandom
import Testing

/// Copies on the GPU: who gets one, over whom, and never more than fit.
@Suite struct HotColdAdjustmentTests {
    private func scores(_ values: [Int]) -> NeuronScores {
        var table = NeuronStateTable(neuronCount: values.count)
        for (neuron, state) in values.enumerated() { table.setState(state, of: neuron) }
        return NeuronScores([table])
    }

    /// One layer, one block, a copy is 10 bytes.
    private func adjustment(
        neuronCount: Int, residents: [Int], share: UInt64 = 1_000_000, memory: Int = 1000
    ) -> HotColdAdjustment {
        HotColdAdjustment(
            layout: NeuronLayout(layerCount: 1, neuronCounts: [neuronCount]),
            budget: HotBudget(
                hotShare: Proportion(millionths: share), memoryByteCount: memory,
                bytesPerNeuron: [10]),
            residents: [[PackedSet(elementCount: neuronCount, members: residents)]])
    }

    private func plan(
        _ adjustment: HotColdAdjustment, _ values: [Int], byteLimit: Int = 1000
    ) -> [[Int?]] {
        var copy = adjustment
        return copy.plan(layer: 0, block: 0, scores: scores(values), byteLimit: byteLimit).map {
            [$0.copiedIn, $0.evicted]
        }
    }

    @Test func `Free room goes to the highest states above T_h, ties to the lowest index`() {
        let empty = adjustment(neuronCount: 6, residents: [])
        #expect(
            plan(empty, [10, 11, 15, 12, 15, 0]) == [[2, nil], [4, nil], [3, nil], [1, nil]])
        #expect(plan(empty, [10, 11, 15, 12, 15, 0], byteLimit: 29) == [[2, nil], [4, nil]])
        #expect(plan(empty, [10, 11, 15, 12, 15, 0], byteLimit: 9) == [])
        #expect(plan(empty, [10, 10, 0, 1, 2, 3]) == [])
    }

    @Test func `Without room the coldest resident goes, if it is colder`() {
        let full = adjustment(neuronCount: 6, residents: [0, 1, 2], share: 500_000)
        #expect(plan(full, [7, 3, 3, 15, 12, 11]) == [[3, 1], [4, 2], [5, 0]])
        #expect(plan(full, [12, 12, 11, 15, 12, 11]) == [[3, 2]])
        #expect(plan(full, [15, 15, 15, 15, 15, 15]) == [])
        #expect(plan(full, [0, 0, 0, 10, 10, 10]) == [], "cold residents stay until wanted")
    }

    @Test func `What speaks for residents can be something else`() {
        var full = adjustment(neuronCount: 4, residents: [0, 1], share: 500_000)
        let swaps = full.plan(
            layer: 0, block: 0, scores: scores([15, 0, 12, 11]), keeping: scores([3, 11, 0, 0]),
            byteLimit: 1000)
        #expect(swaps.map { [$0.copiedIn, $0.evicted] } == [[2, 0]], "11 is not above 11")
    }

    @Test func `Scores beyond a state's range are hot at every T_h`() {
        var adjustment = HotColdAdjustment(
            layout: NeuronLayout(layerCount: 1, neuronCounts: [2]),
            budget: HotBudget(hotShare: .one, memoryByteCount: 20, bytesPerNeuron: [10]),
            hotThreshold: 15, residents: [[PackedSet(elementCount: 2)]])
        var table = NeuronStateTable(neuronCount: 2)
        table.setState(15, of: 1)
        let swaps = adjustment.plan(
            layer: 0, block: 0, scores: NeuronScores([table, table]), byteLimit: 20)
        #expect(swaps.map(\.copiedIn) == [1])
    }

    @Test func `Memory bounds as the share does`() {
        let adjustment = adjustment(neuronCount: 4, residents: [0], memory: 25)
        #expect(adjustment.usedByteCount == 10)
        #expect(plan(adjustment, [0, 15, 14, 13]) == [[1, nil], [2, 0]])
    }

    @Test func `A plan takes effect on commit, and an abort leaves all as it was`() {
        var adjustment = adjustment(neuronCount: 4, residents: [0], memory: 20)
        let before = adjustment
        let table = scores([0, 15, 14, 13])
        let swaps = adjustment.plan(layer: 0, block: 0, scores: table, byteLimit: 1000)
        #expect(swaps == adjustment.inFlight(layer: 0, block: 0))
        #expect(adjustment.residents(layer: 0, block: 0).members == [0])
        #expect(adjustment.usedByteCount == 20, "reserved")
        #expect(adjustment.plan(layer: 0, block: 0, scores: table, byteLimit: 1000) == [])
        var aborted = adjustment
        aborted.abort(layer: 0, block: 0)
        #expect(aborted == before)
        adjustment.commit(layer: 0, block: 0)
        #expect(adjustment.residents(layer: 0, block: 0).members == [1, 2])
        #expect(adjustment.usedByteCount == 20)
        #expect(adjustment.inFlight(layer: 0, block: 0).isEmpty)
        #expect(plan(adjustment, [0, 15, 14, 13]) == [], "13 is not above 14")
    }

    @Test(arguments: 0..<12)
    func `The GPU's budget is never exceeded`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let layout = NeuronLayout(layerCount: 3, neuronCounts: [40, 100])
        let budget = HotBudget(
            hotShare: Proportion(millionths: .random(in: 0...1_000_000, using: &random)),
            memoryByteCount: .random(in: 0...2000, using: &random), bytesPerNeuron: [7, 13])
        var adjustment = HotColdAdjustment(
            layout: layout, budget: budget, hotThreshold: .random(in: 0...15, using: &random),
            residents: layout.map { PackedSet(elementCount: layout.neuronCounts[$1]) })
        for step in 0..<400 {
            let layer = Int.random(in: 0..<3, using: &random)
            let block = Int.random(in: 0..<2, using: &random)
            let before = adjustment.residents(layer: layer, block: block)
            let values = (0..<layout.neuronCounts[block]).map { _ in
                Int.random(in: 0...15, using: &random)
            }
            let byteLimit = Int.random(in: 0...300, using: &random)
            let isOpen = !adjustment.inFlight(layer: layer, block: block).isEmpty
            let swaps = adjustment.plan(
                layer: layer, block: block, scores: scores(values), byteLimit: byteLimit)
            if let fault = fault(
                swaps, values, before, adjustment, byteLimit: byteLimit, isOpen: isOpen,
                bytesPerNeuron: budget.bytesPerNeuron[block])
            {
                Issue.record("step \(step): \(fault)")
                return
            }
            // Several blocks' copies are on the way before any has arrived.
            let closing = Int.random(in: 0..<3, using: &random)
            if Bool.random(using: &random) {
                for block in 0..<2 { adjustment.commit(layer: closing, block: block) }
            } else {
                for block in 0..<2 { adjustment.abort(layer: closing, block: block) }
            }
            if let fault = budgetFault(adjustment) {
                Issue.record("step \(step): \(fault)")
                return
            }
        }
    }

    /// What is wrong with a plan, if anything.
    private func fault(
        _ swaps: [HotSwap], _ values: [Int], _ resident: PackedSet,
        _ adjustment: HotColdAdjustment, byteLimit: Int, isOpen: Bool, bytesPerNeuron: Int
    ) -> String? {
        if isOpen, !swaps.isEmpty { return "a second plan before the first is over" }
        if swaps.count * bytesPerNeuron > byteLimit { return "more than fits the shadow" }
        let states = swaps.map { values[$0.copiedIn] }
        if states.contains(where: { $0 <= adjustment.hotThreshold }) { return "not hot" }
        if zip(states, states.dropFirst()).contains(where: { $0 < $1 }) { return "not in order" }
        let copied = Set(swaps.map(\.copiedIn))
        if copied.count != swaps.count || copied.contains(where: resident.contains) {
            return "a second copy"
        }
        let evicted = swaps.compactMap(\.evicted)
        if Set(evicted).count != evicted.count || !evicted.allSatisfy(resident.contains) {
            return "evicted twice, or without a copy"
        }
        if swaps.contains(where: { swap in
            swap.evicted.map { values[$0] >= values[swap.copiedIn] } ?? false
        }) {
            return "a warmer one went"
        }
        let kept = resident.members.filter { !evicted.contains($0) }
        let coldestKept = kept.map { values[$0] }.min() ?? 15
        if evicted.contains(where: { values[$0] > coldestKept }) { return "not the coldest" }
        return nil
    }

    private func budgetFault(_ adjustment: HotColdAdjustment) -> String? {
        let budget = adjustment.budget
        var byteCount = 0
        for layer in 0..<adjustment.layout.layerCount {
            for block in 0..<adjustment.layout.blockCount {
                let count = adjustment.residents(layer: layer, block: block).memberCount
                let onTheWay = adjustment.inFlight(layer: layer, block: block)
                    .count { $0.evicted == nil }
                let limit = budget.limit(
                    neuronCount: adjustment.layout.neuronCounts[block])
                if count + onTheWay > limit { return "above the hot share" }
                byteCount += (count + onTheWay) * budget.bytesPerNeuron[block]
            }
        }
        if byteCount != adjustment.usedByteCount { return "bytes are miscounted" }
        return byteCount > budget.memoryByteCount ? "above the memory" : nil
    }

    @Test func `Residents beyond the budget at the start are a broken contract`() async {
        await #expect(processExitsWith: .failure) {
            _ = HotColdAdjustment(
                layout: NeuronLayout(layerCount: 1, neuronCounts: [2]),
                budget: HotBudget(
                    hotShare: .one, memoryByteCount: 19, bytesPerNeuron: [10]),
                residents: [[.full(elementCount: 2)]])
        }
    }
}
