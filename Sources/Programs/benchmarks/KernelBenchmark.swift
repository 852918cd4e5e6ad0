import Kernels
import SeededRandom
import WeightFormats

/// Throughput of the kernels at the sizes of real models: weight bytes read and products
/// computed per second.
///
/// Matrices of a few hundred kilobytes stay in the second-level cache, as a shard's share of one
/// layer may; the others come from memory. Compare those with `read`, which only adds up words.
struct KernelBenchmark {
    /// Timed samples of each kernel; odd, so that the median is one of them.
    var sampleCount = 21
    private let weights: [UInt8]
    private let activations: [Float]

    init() {
        // Small exponents in every format, and no zeros: 2 MiB of noise, repeated.
        var random = SplitMix64(seed: 1)
        let noise = (0..<1 << 18).map { _ in random.next() & 0x2F2F_2F2F_2F2F_2F2F }
        var weights: [UInt8] = []
        weights.reserveCapacity(8192 * 8192 * 2)
        let period = noise.flatMap { word in (0..<8).map { UInt8(word >> (8 * $0) & 255) } }
        for _ in 0..<64 { weights += period }
        self.weights = weights
        activations = (0..<128 * 1536).map { _ in
            Float(Int(random.next() & 0xFFFF) - 0x8000) * 0x1p-15
        }
    }

    func run() {
        print("kernels: vector path \(KernelPath.vectorIsAvailable ? "in use" : "not available")")
        readAlone()
        rows("rows.cached", .q4_1, rows: 1536, columns: 576)
        rows("rows.cached.portable", .q4_1, rows: 1536, columns: 576, path: .portable)
        for threadCount in [1, 2] {
            rows("rows.head", .q8_0, rows: 49152, columns: 576, threads: threadCount)
            rows("rows.large", .f16, rows: 8192, columns: 8192, threads: threadCount)
            selectedRows(threads: threadCount)
            batch(threads: threadCount)
        }
        for share in [1, 4, 16] {
            neurons("neurons.cached", .q4_1, matrices: 1, share: share)
            neurons("neurons.memory", .q4_1, matrices: 90, share: share)
        }
        neurons("neurons.cached", .q8_0, matrices: 1, share: 1)
        largeNeurons(share: 1)
        largeNeurons(share: 5)
        for share in [1, 16] { relay(share: share) }
        relayLarge()
        attention()
        elementwise()
    }

    // MARK: - Kernels

    private func readAlone() {
        measure("read", bytes: weights.count, products: 0) {
            var sums = SIMD8<UInt64>(repeating: 0)
            let span = weights.span
            unsafe span.withUnsafeBytes { bytes in
                let words = unsafe bytes.bindMemory(to: SIMD8<UInt64>.self)
                for index in 0..<words.count { unsafe sums &+= words[index] }
            }
            return Float(sums.wrappedSum() & 0xFFFF)
        }
    }

    private func rows(
        _ name: String, _ format: WeightFormat, rows: Int, columns: Int, threads: Int = 1,
        path: KernelPath = .automatic
    ) {
        var y = [Float](repeating: 0, count: rows)
        let x = Array(activations.prefix(columns))
        let byteCount = rows * (format.rowByteCount(elementCount: columns) ?? 0)
        measure(
            "\(name) \(format.rawValue) \(rows)x\(columns) threads=\(threads)", bytes: byteCount,
            products: rows * columns
        ) {
            var output = y.mutableSpan
            multiplyRows(
                weights: unsafe weights.span.bytes, format: format, columnCount: columns,
                rows: 0..<rows, by: x.span, into: &output, threadCount: threads, path: path)
            return y[rows / 2]
        }
    }

    private func selectedRows(threads: Int) {
        var random = SplitMix64(seed: 2)
        let selected = (0..<8192).filter { _ in random.next() % 5 == 0 }.map { UInt32($0) }
        var y = [Float](repeating: 0, count: selected.count)
        let x = Array(activations.prefix(8192))
        measure(
            "rows.selected F16 20 % of 8192x8192 threads=\(threads)",
            bytes: selected.count * 16384, products: selected.count * 8192
        ) {
            var output = y.mutableSpan
            multiplySelectedRows(
                weights: unsafe weights.span.bytes, format: .f16, columnCount: 8192,
                selected: selected.span, by: x.span, into: &output, threadCount: threads)
            return y[selected.count / 2]
        }
    }

    private func batch(threads: Int) {
        let (rows, columns, tokens) = (1536, 576, 128)
        var Y = [Float](repeating: 0, count: tokens * rows)
        let X = Array(activations.prefix(tokens * columns))
        measure(
            "batch Q4_1 \(rows)x\(columns) tokens=\(tokens) threads=\(threads)",
            bytes: rows * columns / 32 * 20, products: rows * columns * tokens
        ) {
            var output = Y.mutableSpan
            multiplyRowsBatch(
                weights: unsafe weights.span.bytes, format: .q4_1, columnCount: columns,
                rowCount: rows, tokenCount: tokens, by: X.span, into: &output,
                threadCount: threads)
            return Y[rows]
        }
    }

    /// A shard's share of one or more 576 x 1536 matrices: one neuron in `share`.
    private func neurons(_ name: String, _ format: WeightFormat, matrices: Int, share: Int) {
        let set = NeuronSet(ascending: stride(from: 0, to: 1536, by: share).map { UInt32($0) })
        let layout = NeuronMajorLayout(format: format, outputCount: 576, neurons: set)
        let active = Array(0..<UInt32(set.slotCount))
        var y = [Float](repeating: 0, count: 576)
        measure(
            "\(name) \(format.rawValue) 576x\(set.slotCount), \(32 / share) of a block of 32, "
                + "matrices=\(matrices)",
            bytes: matrices * layout.byteCount, products: matrices * set.slotCount * 576
        ) {
            for index in 0..<matrices {
                var output = y.mutableSpan
                let start = index * layout.byteCount
                accumulateNeurons(
                    storage: unsafe weights.span.bytes.extracting(
                        start..<start + layout.byteCount),
                    layout: layout, neurons: set, activeSlots: active.span,
                    coefficients: activations.span.extracting(0..<set.slotCount), into: &output)
            }
            return y[0]
        }
    }

    private func largeNeurons(share: UInt64) {
        var random = SplitMix64(seed: 3)
        let active = (0..<8192).filter { _ in random.next() % share == 0 }.map { UInt32($0) }
        let set = NeuronSet(ascending: Array(0..<8192))
        let layout = NeuronMajorLayout(format: .f16, outputCount: 8192, neurons: set)
        var y = [Float](repeating: 0, count: 8192)
        measure(
            "neurons.large F16 \(active.count) of 8192x8192",
            bytes: active.count * layout.slotByteCount, products: active.count * 8192
        ) {
            var output = y.mutableSpan
            accumulateNeurons(
                storage: unsafe weights.span.bytes, layout: layout, neurons: set,
                activeSlots: active.span,
                coefficients: activations.span.extracting(0..<active.count), into: &output)
            return y[0]
        }
    }

    /// QKV and the down projection of 30 layers, as one shard that holds one neuron in `share`.
    private func relay(share: Int) {
        let shapes = [(576, 576), (192, 576), (192, 576), (576, 1536)]
        var storage = [UInt8](repeating: 0, count: 1 << 20)
        let byteCount = 30 * shapes.reduce(0) { $0 + $1.0 * $1.1 / 32 * 20 }
        measure("relay Q4_1, 30 layers, 1 neuron in \(share)", bytes: byteCount, products: 0) {
            var start = 0
            for _ in 0..<30 {
                for (outputs, inputs) in shapes {
                    let end = start + outputs * inputs / 32 * 20
                    relay(
                        start..<end, .q4_1, outputs: outputs, inputs: inputs, share: share,
                        into: &storage)
                    start = end
                }
            }
            return Float(storage[100]) + 1
        }
    }

    private func relayLarge() {
        var storage = [UInt8](repeating: 0, count: 8192 * 8192 * 2)
        measure("relay F16 8192x8192", bytes: weights.count, products: 0) {
            relay(
                0..<weights.count, .f16, outputs: 8192, inputs: 8192, share: 1, into: &storage)
            return Float(storage[100]) + 1
        }
    }

    private func relay(
        _ part: Range<Int>, _ format: WeightFormat, outputs: Int, inputs: Int, share: Int,
        into storage: inout [UInt8]
    ) {
        let chosen = stride(from: 0, to: inputs, by: share).map { UInt32($0) }
        let set = NeuronSet(ascending: chosen)
        let layout = NeuronMajorLayout(format: format, outputCount: outputs, neurons: set)
        var span = storage.mutableSpan
        var bytes = unsafe span.mutableBytes
        relayNeurons(
            from: unsafe weights.span.bytes.extracting(part), inputCount: inputs, neurons: set,
            into: &bytes, layout: layout)
    }

    private func attention() {
        let (heads, headSize, positions) = (3, 64, 512)
        var scores = [Float](repeating: 0, count: heads * positions)
        var context = [Float](repeating: 0, count: heads * headSize)
        measure(
            "attention \(heads) heads of \(headSize), positions=\(positions)",
            bytes: 8 * headSize * positions, products: 2 * heads * headSize * positions
        ) {
            var scratch = scores.mutableSpan
            var output = context.mutableSpan
            attend(
                queries: activations.span.extracting(0..<heads * headSize), headSize: headSize,
                keys: activations.span.extracting(0..<positions * headSize),
                values: activations.span.extracting(1000..<1000 + positions * headSize),
                scale: 0.125, scores: &scratch, into: &output)
            return context[0]
        }
    }

    private func elementwise() {
        var out = [Float](repeating: 0, count: 1536)
        let a = Array(activations.prefix(1536))
        measure("siluMultiply 1536", bytes: 8 * 1536, products: 1536) {
            var output = out.mutableSpan
            siluMultiply(gate: a.span, up: a.span, into: &output)
            return out[0]
        }
        measure("rmsNorm 1536", bytes: 8 * 1536, products: 1536) {
            var output = out.mutableSpan
            rmsNorm(a.span, weight: a.span, epsilon: 1e-5, into: &output)
            return out[0]
        }
    }

    // MARK: - Measuring

    /// Prints the median of the samples, each long enough for the clock, and their range.
    ///
    /// - Parameter body: returns one result, which must be a number other than zero: a kernel
    ///   that did nothing must not report a time.
    private func measure(
        _ name: String, bytes: Int, products: Int, _ body: () -> Float
    ) {
        let clock = ContinuousClock()
        let result = body()
        precondition(result.isFinite)
        precondition(result != 0)
        let once = clock.measure { _ = body() }
        let repeats = max(1, Int(Duration.milliseconds(2) / once))
        var samples: [Double] = []
        for _ in 0..<sampleCount {
            let elapsed = clock.measure { for _ in 0..<repeats { _ = body() } }
            samples.append(elapsed / .microseconds(1) / Double(repeats))
        }
        samples.sort()
        let median = samples[samples.count / 2]
        var line = "\(name): median \(rounded(median)) us"
        line += " (\(rounded(samples[0])) to \(rounded(samples[samples.count - 1])))"
        line += ", \(rounded(Double(bytes) / median / 1e3)) GB/s"
        if products > 0 { line += ", \(rounded(Double(products) / median / 1e3)) GMAC/s" }
        print(line)
    }

    private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
