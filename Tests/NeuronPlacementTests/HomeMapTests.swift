import NeuronPlacement
import Testing

/// Where neurons and heads are at home.
@Suite struct HomeMapTests {
    @Test(arguments: [0, 1, 2, 3, 15, 16, 17, 64, 575, 576, 1536])
    func `Every neuron has exactly one home and slot, on any number of DIMMs`(
        neuronCount: Int
    ) {
        for dimmCount in [1, 2, 3, 4, 7, 8, 16, 17, 64, 2000] {
            let map = HomeMap(neuronCount: neuronCount, dimmCount: dimmCount)
            var homes: [Int: Int] = [:]
            for dimm in 0..<dimmCount {
                let neurons = map.neurons(ofDIMM: dimm).map(Int.init)
                #expect(neurons.count == map.slotCount(ofDIMM: dimm))
                for (slot, neuron) in neurons.enumerated() {
                    let isConsistent =
                        homes.updateValue(dimm, forKey: neuron) == nil
                        && map.dimm(ofNeuron: neuron) == dimm
                        && map.slot(ofNeuron: neuron) == slot
                        && map.neuron(inSlot: slot, ofDIMM: dimm) == neuron
                        && (slot == 0 || neurons[slot - 1] < neuron)
                    if !isConsistent {
                        Issue.record("neuron \(neuron) of \(neuronCount) on \(dimmCount)")
                        return
                    }
                }
            }
            #expect(homes.keys.sorted() == Array(0..<neuronCount))
        }
    }

    @Test func `DIMMs differ by at most one neuron`() {
        for neuronCount in 0...100 {
            for dimmCount in 1...17 {
                let map = HomeMap(neuronCount: neuronCount, dimmCount: dimmCount)
                let counts = (0..<dimmCount).map { map.slotCount(ofDIMM: $0) }
                let spread = (counts.max() ?? 0) - (counts.min() ?? 0)
                if spread > 1 { Issue.record("\(neuronCount) on \(dimmCount): \(counts)") }
            }
        }
    }

    @Test func `Any homes have ascending slots, and a DIMM may hold nothing`() {
        let map = HomeMap(dimms: [3, 0, 3, 3, 1], dimmCount: 4)
        #expect((0..<4).map { map.neurons(ofDIMM: $0) } == [[1], [4], [], [0, 2, 3]])
        #expect((0..<5).map { map.dimm(ofNeuron: $0) } == [3, 0, 3, 3, 1])
        #expect((0..<5).map { map.slot(ofNeuron: $0) } == [0, 0, 1, 2, 0])
        #expect((0..<3).map { map.neuron(inSlot: $0, ofDIMM: 3) } == [0, 2, 3])
        #expect(map.neuronCount == 5 && map.slotCount(ofDIMM: 2) == 0)
        #expect(
            HomeMap(dimms: [0, 1, 2, 0, 1], dimmCount: 3)
                == HomeMap(neuronCount: 5, dimmCount: 3))
    }

    @Test func `A plan is of equally many layers and DIMMs`() async {
        let plan = HomePlan(
            layerCount: 2, qkvNeuronCount: 3, feedForwardNeuronCount: 5, dimmCount: 2)
        #expect(plan.dimmCount == 2)
        #expect(plan.qkv.map(\.neuronCount) == [3, 3])
        #expect(plan.feedForward.map(\.neuronCount) == [5, 5])
        await #expect(processExitsWith: .failure) {
            let map = HomeMap(neuronCount: 1, dimmCount: 1)
            _ = HomePlan(qkv: [map], feedForward: [map, map])
        }
        await #expect(processExitsWith: .failure) {
            _ = HomePlan(
                qkv: [HomeMap(neuronCount: 1, dimmCount: 1)],
                feedForward: [HomeMap(neuronCount: 1, dimmCount: 2)])
        }
        await #expect(processExitsWith: .failure) {
            _ = HomeMap(dimms: [2], dimmCount: 2)
        }
    }

    @Test func `A map without DIMMs, or asked for one it has not, traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = HomeMap(neuronCount: 4, dimmCount: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = HomeMap(neuronCount: 4, dimmCount: 2).slotCount(ofDIMM: 2)
        }
        await #expect(processExitsWith: .failure) {
            _ = HeadMap(keyValueHeadCount: 0, dimmCount: 1)
        }
    }

    @Test(arguments: 1...17)
    func `Every head of every layer has exactly one owner`(dimmCount: Int) {
        for headCount in [1, 2, 3, 8, 32] {
            let map = HeadMap(keyValueHeadCount: headCount, dimmCount: dimmCount)
            for layer in 0..<12 {
                let owned = (0..<dimmCount).map { map.heads(layer: layer, dimm: $0) }
                let isRight =
                    owned.flatMap { $0 }.sorted() == Array(0..<headCount)
                    && owned.allSatisfy { $0 == $0.sorted() }
                    && owned.indices.allSatisfy { dimm in
                        owned[dimm].allSatisfy { map.dimm(layer: layer, head: $0) == dimm }
                    }
                    // No layer loads a DIMM by more than its share, rounded up.
                    && owned.allSatisfy { $0.count <= (headCount + dimmCount - 1) / dimmCount }
                if !isRight { Issue.record("\(headCount) heads, layer \(layer): \(owned)") }
            }
        }
    }

    @Test func `Three heads load sixteen DIMMs over thirty layers`() {
        let map = HeadMap(keyValueHeadCount: 3, dimmCount: 16)
        let loads = (0..<16).map { dimm in
            (0..<30).reduce(0) { $0 + map.heads(layer: $1, dimm: dimm).count }
        }
        // 90 heads: ten DIMMs get six, six get five.
        #expect(loads.sorted() == [5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6])
        #expect(map.heads(layer: 5, dimm: 15) == [0])
        #expect(map.heads(layer: 5, dimm: 0) == [1])
    }
}
