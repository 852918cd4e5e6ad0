import HardwareModel
import Quantities
import Testing

struct GPUModelTests {
    /// An RTX 4090 at 85 % of 936 GB/s and 50 % of 330 TFLOPS.
    private let gpu = GPUModel(
        effectiveBandwidth: Bandwidth(bytesPerSecond: 795_600_000_000),
        effectiveComputeRate: ComputeRate(operationsPerSecond: 165_000_000_000_000),
        launchCost: .ns(2_000), synchronisationCost: .ns(4_400))

    /// 52 428 800 B / 795.6 GB/s = 65 898 441.43 ps; 52 428 800 operations take 317 750.3 ps.
    @Test func `One vector is bound by memory`() {
        let kernel = gpu.kernel(byteCount: ByteCount(52_428_800), operationCount: 52_428_800)
        #expect(kernel.memory == .ps(65_898_442))
        #expect(kernel.compute == .ps(317_751))
        #expect(kernel.bound == .memory)
        #expect(kernel.total == .ps(67_898_442))
        #expect(gpu.synchronisedDuration(of: kernel) == .ps(76_698_442))
    }

    /// At 165/0.7956 = 207.4 operations a byte memory and arithmetic balance.
    @Test func `A large batch is bound by arithmetic`() {
        let below = gpu.kernel(byteCount: ByteCount(1_000_000), operationCount: 207_000_000)
        let above = gpu.kernel(byteCount: ByteCount(1_000_000), operationCount: 208_000_000)
        #expect(below.bound == .memory)
        #expect(above.bound == .compute)
        #expect(above.total == above.launch + above.compute)
    }

    @Test func `An empty kernel costs its launch`() {
        let kernel = gpu.kernel(byteCount: .zero, operationCount: 0)
        #expect(kernel.total == .ns(2_000))
        #expect(kernel.bound == .memory)
    }
}

struct StreamedPrefillTests {
    private func layer(_ transfer: UInt64, _ compute: UInt64) -> StreamedPrefill.Layer {
        StreamedPrefill.Layer(transfer: .ns(transfer), compute: .ns(compute))
    }

    /// 5 to fill, then max(3, 7), max(9, 2), max(4, -): 5 + 7 + 9 + 4.
    @Test func `Each step takes the longer of compute and the next transfer`() {
        let prefill = StreamedPrefill(layers: [layer(5, 3), layer(7, 9), layer(2, 4)])
        #expect(prefill.total == .ns(25))
        #expect(prefill.spans.map(\.transferStart) == [.ns(0), .ns(5), .ns(12)])
        #expect(prefill.spans.map(\.transferEnd) == [.ns(5), .ns(12), .ns(14)])
        #expect(prefill.spans.map(\.computeStart) == [.ns(5), .ns(12), .ns(21)])
        #expect(prefill.spans.map(\.computeEnd) == [.ns(8), .ns(21), .ns(25)])
    }

    @Test func `Without layers nothing takes time, with one nothing overlaps`() {
        #expect(StreamedPrefill(layers: []).total == .zero)
        #expect(StreamedPrefill(layers: [layer(5, 3)]).total == .ns(8))
    }

    @Test func `Resident layers compute back to back`() {
        #expect(StreamedPrefill(layers: [layer(0, 3), layer(0, 4)]).total == .ns(7))
    }

    /// Equal layers: t + (n - 1) max(t, c) + c.
    @Test(arguments: [(10, 3), (3, 10), (7, 7)])
    func `Equal layers fill the pipeline once`(transfer: UInt64, compute: UInt64) {
        let prefill = StreamedPrefill(
            layers: Array(repeating: layer(transfer, compute), count: 40))
        #expect(prefill.total == .ns(transfer + 39 * max(transfer, compute) + compute))
        for span in prefill.spans { #expect(span.computeStart >= span.transferEnd) }
    }
}

struct GPUMemoryBudgetTests {
    @Test func `What fits exactly is granted, a byte more is refused`() throws {
        var budget = GPUMemoryBudget(capacity: ByteCount(100))
        try budget.claim(ByteCount(60), for: "projection")
        try budget.claim(ByteCount(40), for: "head")
        #expect(budget.left == .zero)
        let error = HardwareModelError.gpuMemoryExceeded(
            purpose: "buffers", needed: ByteCount(1), left: .zero)
        #expect(throws: error) { try budget.claim(ByteCount(1), for: "buffers") }
        #expect(budget.used == ByteCount(100))
    }

    @Test func `Hot neurons are bounded by memory and by their share`() {
        let budget = GPUMemoryBudget(capacity: ByteCount(100))
        let fifth = Proportion(millionths: 200_000)
        #expect(budget.hotNeuronCount(of: 50, neuronByteCount: ByteCount(9), share: fifth) == 10)
        #expect(budget.hotNeuronCount(of: 500, neuronByteCount: ByteCount(9), share: fifth) == 11)
        #expect(budget.hotNeuronCount(of: 4, neuronByteCount: ByteCount(9), share: fifth) == 0)
        #expect(budget.hotNeuronCount(of: 500, neuronByteCount: ByteCount(101), share: fifth) == 0)
    }
}
