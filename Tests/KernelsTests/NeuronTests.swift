import Kernels
import SeededRandom
import Testing
import WeightFormats

@Suite struct NeuronTests {
    static let outputCounts = [1, 7, 63, 64, 65, 100, 192, 576]

    @Test(arguments: WeightFormat.allCases, outputCounts)
    func `Relaid neurons have the file's bits`(format: WeightFormat, outputCount: Int) {
        let inputCount = 96
        let matrix = TestMatrix(format, rows: outputCount, columns: inputCount, seed: 10)
        for neurons in choices(inputCount) {
            let shard = Shard(matrix, neurons)
            for (slot, neuron) in neurons.enumerated() {
                let expected = (0..<outputCount).map {
                    matrix.values[$0 * inputCount + Int(neuron)]
                }
                if let difference = firstDifference(shard.column(slot), expected) {
                    Issue.record("neuron \(neuron): \(difference)")
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, outputCounts)
    func `Vector and portable accumulation have equal bits`(
        format: WeightFormat, outputCount: Int
    ) {
        for hostile in [false, true] {
            let matrix = TestMatrix(
                format, rows: outputCount, columns: 96, seed: 11, hostile: hostile)
            for neurons in choices(96) {
                let shard = Shard(matrix, neurons)
                for active in choices(neurons.count) {
                    let coefficients = testInput(active.count, hostile: hostile)
                    let portable = shard.accumulate(active, coefficients, path: .portable)
                    let automatic = shard.accumulate(active, coefficients, path: .automatic)
                    if let difference = firstDifference(portable, automatic) {
                        Issue.record("\(active.count) of \(neurons.count): \(difference)")
                    }
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, KernelPath.allCases)
    func `Accumulation agrees with double precision and adds to y`(
        format: WeightFormat, path: KernelPath
    ) {
        if path == .vector && !KernelPath.vectorIsAvailable { return }
        let (outputCount, inputCount) = (100, 320)
        let matrix = TestMatrix(format, rows: outputCount, columns: inputCount, seed: 12)
        for neurons in choices(inputCount) {
            let shard = Shard(matrix, neurons)
            for active in choices(neurons.count) {
                let coefficients = testInput(active.count, hostile: false)
                var x = [Float](repeating: 0, count: inputCount)
                for (slot, coefficient) in zip(active, coefficients) {
                    x[Int(neurons[Int(slot)])] = coefficient
                }
                let y = shard.accumulate(active, coefficients, start: 0.25, path: path)
                for output in 0..<outputCount {
                    let (sum, magnitude) = matrix.product(row: output, by: x)
                    let bound = (magnitude + 0.25) * Double(active.count + 4) * 0x1p-24
                    if !(abs(Double(y[output]) - sum - 0.25) <= bound) {
                        Issue.record("output \(output): \(y[output]), not \(sum + 0.25)")
                    }
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `The shares of a split add up to the whole`(format: WeightFormat) {
        let matrix = TestMatrix(format, rows: 192, columns: 576, seed: 13)
        let x = testInput(576, hostile: false)
        let whole = matrix.multiply(0..<192, by: x)
        for shardCount in [1, 2, 16] {
            var sum = [Float](repeating: 0, count: 192)
            for index in 0..<shardCount {
                let neurons = stride(from: index, to: 576, by: shardCount).map { UInt32($0) }
                let shard = Shard(matrix, neurons)
                let share = shard.accumulate(
                    Array(0..<UInt32(neurons.count)), neurons.map { x[Int($0)] })
                for output in sum.indices { sum[output] += share[output] }
            }
            for output in sum.indices {
                let (_, magnitude) = matrix.product(row: output, by: x)
                let bound = Float(magnitude) * 100 * 0x1p-24
                if !(abs(sum[output] - whole[output]) <= bound) {
                    Issue.record("\(shardCount) shards, output \(output)")
                }
            }
        }
    }

    @Test func `Padding is written, whatever the storage held`() {
        let matrix = TestMatrix(.q4_1, rows: 65, columns: 64, seed: 14)
        let neurons: [UInt32] = [0, 33, 63]
        #expect(
            Shard(matrix, neurons, fill: 0).storage == Shard(matrix, neurons, fill: 255).storage)
    }

    /// 2 blocks of Q4_1 with 65 outputs: 2 tiles of 32 bytes a slot; 2 x 256 bytes a block.
    @Test func `A layout's sizes are as computed by hand`() {
        let neurons = NeuronSet(ascending: [0, 33, 63])
        #expect(neurons.blocks == [0, 1])
        #expect(neurons.blockOfSlot == [0, 1, 1])
        let layout = NeuronMajorLayout(format: .q4_1, outputCount: 65, neurons: neurons)
        #expect(layout.slotByteCount == 64)
        #expect(layout.scaleOffset == 192)
        #expect(layout.blockByteCount == 512)
        #expect(layout.byteCount == 192 + 2 * 512)
        let plain = NeuronMajorLayout(format: .bf16, outputCount: 64, neurons: neurons)
        #expect(plain.byteCount == 3 * 128)
        let none = NeuronMajorLayout(
            format: .q8_0, outputCount: 64, neurons: NeuronSet(ascending: []))
        #expect(none.byteCount == 0)
    }

    @Test func `Neurons or slots out of order trap`() async {
        await #expect(processExitsWith: .failure) { _ = NeuronSet(ascending: [3, 3]) }
        await #expect(processExitsWith: .failure) {
            let shard = Shard(TestMatrix(.f32, rows: 4, columns: 4, seed: 15), [0, 1, 2])
            _ = shard.accumulate([1, 0], [1, 1])
        }
        await #expect(processExitsWith: .failure) {
            let shard = Shard(TestMatrix(.f32, rows: 4, columns: 4, seed: 15), [0, 1, 2])
            _ = shard.accumulate([3], [1])
        }
    }

    /// None, one, the last, every 16th, a random half, all.
    private func choices(_ count: Int) -> [[UInt32]] {
        var random = SplitMix64(seed: UInt64(count))
        let all = Array(0..<UInt32(count))
        guard count > 1 else { return count == 0 ? [[]] : [[], all] }
        return [
            [], [0], [UInt32(count - 1)], all.filter { $0 % 16 == 3 },
            random.ascending(count / 2, below: count), all,
        ]
    }
}

/// Some neurons of a matrix, relaid.
private struct Shard {
    let neurons: NeuronSet
    let layout: NeuronMajorLayout
    let storage: [UInt8]

    init(_ matrix: TestMatrix, _ neurons: [UInt32], fill: UInt8 = 170) {
        let chosen = NeuronSet(ascending: neurons)
        let layout = NeuronMajorLayout(
            format: matrix.format, outputCount: matrix.rowCount, neurons: chosen)
        var storage = [UInt8](repeating: fill, count: layout.byteCount)
        var span = storage.mutableSpan
        var bytes = unsafe span.mutableBytes
        relayNeurons(
            from: unsafe matrix.bytes.span.bytes, inputCount: matrix.columnCount,
            neurons: chosen, into: &bytes, layout: layout)
        self.neurons = chosen
        self.layout = layout
        self.storage = storage
    }

    func column(_ slot: Int) -> [Float] {
        var values = [Float](repeating: .nan, count: layout.outputCount)
        var output = values.mutableSpan
        dequantiseNeuron(
            storage: unsafe storage.span.bytes, layout: layout, neurons: neurons, slot: slot,
            into: &output)
        return values
    }

    func accumulate(
        _ active: [UInt32], _ coefficients: [Float], start: Float = 0,
        path: KernelPath = .automatic
    ) -> [Float] {
        var y = [Float](repeating: start, count: layout.outputCount)
        var output = y.mutableSpan
        accumulateNeurons(
            storage: unsafe storage.span.bytes, layout: layout, neurons: neurons,
            activeSlots: active.span, coefficients: coefficients.span, into: &output, path: path)
        return y
    }
}
