import MappedMemory
import ModelFile
import NeuronShards
import SeededRandom
import TestModels
import Testing
import Transformer
import WeightFormats

/// Neurons that change their shard: their products stay the same, bit for bit.
@Suite struct NeuronMoveTests {
    /// Three DIMMs' shards of round-robin homes, with room for more.
    private struct Shards: ~Copyable {
        private let fixture: ShardFixture
        private var first: NeuronShard
        private var second: NeuronShard
        private var gpu: NeuronShard
        private let whole: NeuronShard
        private let input: [Float]

        init(_ fixture: ShardFixture) throws {
            self.fixture = fixture
            let count = UInt32(fixture.model.shape.feedForwardSize)
            let neurons = { (isFirst: Bool) in
                (0..<count).filter { ($0 % 3 == 0) == isFirst }
            }
            let mobile = ShardMobility(spareSlotCount: 7, sharesScales: true)
            // All or none: a struct of owners cannot be left half made.
            let first = try Self.load(fixture, neurons(true), mobile)
            let second = try Self.load(fixture, neurons(false), mobile)
            let gpu = try Self.load(
                fixture, [1, 2, 40], ShardMobility(spareSlotCount: 0, sharesScales: false))
            let whole = try Self.load(fixture, Array(0..<count), .fixed)
            self.first = first
            self.second = second
            self.gpu = gpu
            self.whole = whole
            var random = SplitMix64(seed: 3)
            input = (0..<fixture.model.shape.hiddenSize).map { _ in
                Float(2 * random.nextUnitInterval() - 1)
            }
        }

        private static func load(
            _ fixture: ShardFixture, _ neurons: [UInt32], _ mobility: ShardMobility
        ) throws -> NeuronShard {
            try NeuronShard(
                loading: fixture.assignment(qkv: [], feedForward: neurons),
                from: fixture.model.file, weights: fixture.model.weights, mobility: mobility,
                purpose: "a test's shard")
        }

        /// Moves a neuron of the one to the other; whether there was room.
        mutating func move(_ neuron: UInt32, layer: Int, fromFirst: Bool) -> Bool {
            let donorTable = fromFirst ? first.slots[layer] : second.slots[layer]
            let table = fromFirst ? second.slots[layer] : first.slots[layer]
            guard let slot = donorTable.slot(of: neuron), let place = table.emptySlot(for: neuron)
            else { return false }
            if fromFirst {
                let parcel = Self.parcel(first, layer: layer, slot: slot)
                unsafe second.placeNeuron(
                    neuron, layer: layer, slot: place, from: parcel.span.bytes, at: 3)
                first.releaseSlot(slot, layer: layer)
            } else {
                let parcel = Self.parcel(second, layer: layer, slot: slot)
                unsafe first.placeNeuron(
                    neuron, layer: layer, slot: place, from: parcel.span.bytes, at: 3)
                second.releaseSlot(slot, layer: layer)
            }
            return true
        }

        /// Overwrites a slot of the GPU's shard with a neuron of whoever has it.
        mutating func copyToGPU(_ neuron: UInt32, layer: Int, slot: Int) {
            let parcel = parcel(neuron, layer: layer)
            gpu.releaseSlot(slot, layer: layer)
            unsafe gpu.placeNeuron(
                neuron, layer: layer, slot: slot, from: parcel.span.bytes, at: 3)
        }

        private func parcel(_ neuron: UInt32, layer: Int) -> [UInt8] {
            if let slot = first.slots[layer].slot(of: neuron) {
                return Self.parcel(first, layer: layer, slot: slot)
            }
            guard let slot = second.slots[layer].slot(of: neuron) else {
                preconditionFailure("every neuron is somewhere")
            }
            return Self.parcel(second, layer: layer, slot: slot)
        }

        /// A neuron's weights at byte 3, as messages have headers of any length.
        private static func parcel(
            _ shard: borrowing NeuronShard, layer: Int, slot: Int
        ) -> [UInt8] {
            var bytes = [UInt8](
                repeating: 0xA5, count: 5 + shard.layers[layer].parcelByteCount)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            shard.readNeuron(layer: layer, slot: slot, into: &span, at: 3)
            return bytes
        }

        /// What each neuron gives alone, wherever it lies; who is nowhere or twice is missing.
        func strays(layer: Int) -> [Int] {
            (0..<fixture.model.shape.feedForwardSize).filter { neuron in
                let expected = output(whole, layer: layer, slot: neuron)
                let id = UInt32(neuron)
                let found = [first.slots[layer].slot(of: id), second.slots[layer].slot(of: id)]
                guard found.compactMap({ $0 }).count == 1 else { return true }
                if let slot = found[0], output(first, layer: layer, slot: slot) != expected {
                    return true
                }
                if let slot = found[1], output(second, layer: layer, slot: slot) != expected {
                    return true
                }
                guard let slot = gpu.slots[layer].slot(of: id) else { return false }
                return output(gpu, layer: layer, slot: slot) != expected
            }
        }

        private func output(
            _ shard: borrowing NeuronShard, layer: Int, slot: Int
        ) -> [UInt32] {
            var scratch = FeedForwardScratch(slotCount: 1)
            var bits: [UInt32] = []
            for isWide in [false, true] {
                // Only gated models run with wide sums.
                if isWide, fixture.model.weights.layers[layer].isDownTransposed { continue }
                var sum = PartialSum(count: fixture.model.shape.hiddenSize, isWide: isWide)
                _ = shard.feedForward(
                    layer: layer, input: input, slots: [UInt32(slot)], count: 1, rule: nil,
                    scratch: &scratch, into: &sum)
                bits += sum.rounded.map(\.bitPattern)
            }
            return bits
        }

        func slotCounts(layer: Int) -> [Int] {
            [first.slots[layer].slotCount, second.slots[layer].slotCount]
        }
    }

    private func checkMoves(_ fixture: ShardFixture, seed: UInt64) throws {
        var shards = try Shards(fixture)
        var random = SplitMix64(seed: seed)
        let neuronCount = fixture.model.shape.feedForwardSize
        var moveCount = 0
        for round in 0..<4 {
            for _ in 0..<40 {
                let neuron = UInt32(Int.random(in: 0..<neuronCount, using: &random))
                let layer = Int.random(in: 0..<2, using: &random)
                if shards.move(neuron, layer: layer, fromFirst: Bool.random(using: &random)) {
                    moveCount += 1
                }
            }
            shards.copyToGPU(
                UInt32(10 * round + 5), layer: round % 2, slot: round % 3)
            for layer in 0..<2 { #expect(shards.strays(layer: layer) == []) }
        }
        #expect(moveCount > 20)
    }

    @Test(arguments: WeightFormat.allCases)
    func `A neuron's products are the same wherever it has moved`(format: WeightFormat) throws {
        try checkMoves(ShardFixture(ShardFixture.tiny(format)), seed: 21)
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Without gates its bias moves with it, and a transposed down row`(
        format: WeightFormat, isTransposed: Bool
    ) throws {
        try checkMoves(
            ShardFixture(
                TinyOPT.builder(
                    hidden: 64, feedForward: 96, format: format, isDownTransposed: isTransposed)),
            seed: 22)
    }

    @Test func `A slot that shares scales takes neurons of its block alone`() throws {
        let fixture = try ShardFixture(ShardFixture.tiny(.q4_0))
        let mobility = ShardMobility(spareSlotCount: 1, sharesScales: true)
        var table = SlotTable(
            neurons: [1, 40, 41], weights: fixture.model.weights.layers[0], mobility: mobility)
        #expect(table.slotCount == 4)
        #expect(!table.takes(2, slot: 0))
        table.release(1)
        table.release(1)
        #expect(table.takes(63, slot: 1))
        #expect(!table.takes(64, slot: 1))
        // Fit for few comes first; the spare slot is kept for those that need it.
        #expect(table.emptySlot(for: 50) == 1)
        #expect(table.emptySlot(for: 70) == 3)
        table.fill(3, with: 70)
        #expect(table.emptySlot(for: 71) == nil)
        #expect(table.slot(of: 70) == 3)
        #expect(table.neuron(inSlot: 1) == nil)
    }

    @Test func `A slot of a plain format takes any neuron`() throws {
        let fixture = try ShardFixture(ShardFixture.tiny(.f16))
        var table = SlotTable(
            neurons: [1, 2], weights: fixture.model.weights.layers[0],
            mobility: ShardMobility(spareSlotCount: 0, sharesScales: true))
        table.release(0)
        #expect(table.takes(95, slot: 0))
    }

    @Test func `A full slot is not filled, an empty one not read`() async {
        await #expect(processExitsWith: .failure) {
            let fixture = try ShardFixture(ShardFixture.tiny(.q4_0))
            var table = SlotTable(
                neurons: [1, 2], weights: fixture.model.weights.layers[0], mobility: .fixed)
            table.fill(0, with: 3)
        }
        await #expect(processExitsWith: .failure) {
            let fixture = try ShardFixture(ShardFixture.tiny(.q4_0))
            var shard = try fixture.shard(qkv: [], feedForward: [1, 2])
            shard.releaseSlot(0, layer: 0)
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            var elements = bytes.mutableSpan
            var span = unsafe elements.mutableBytes
            shard.readNeuron(layer: 0, slot: 0, into: &span, at: 0)
        }
    }
}
