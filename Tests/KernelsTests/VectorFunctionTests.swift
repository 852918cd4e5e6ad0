import Glibc
import Kernels
import Testing

@Suite struct VectorFunctionTests {
    private let sizes = [1, 2, 7, 8, 9, 31, 33, 64, 100, 576, 1536]

    @Test func `The exponential is within 2 units in the last place`() {
        // Every 999th float of both signs up to 110 in magnitude, and the edges.
        var inputs: [Float] = [
            0, -0.0, 88.72283, 88.72284, -87.33655, -103.27893, -103.97208, -104,
        ]
        var bits: UInt32 = 0
        while Float(bitPattern: bits) < 110 {
            inputs += [Float(bitPattern: bits), -Float(bitPattern: bits)]
            bits += 999
        }
        let results = map(inputs, .automatic) { exponential($0, into: &$1, path: $2) }
        var worst = 0.0
        for (x, result) in zip(inputs, results) {
            let exact = exp(Double(x))
            if exact >= Double(Float.greatestFiniteMagnitude) * (1 + 0x1p-25) {
                if result != .infinity { Issue.record("exp(\(x)) = \(result)") }
                continue
            }
            let unit = Double(max(Float(min(exact, 3.4e38)).ulp, Float.leastNonzeroMagnitude))
            let error = result.isFinite ? abs(Double(result) - exact) / unit : 1
            worst = max(worst, error)
        }
        #expect(worst <= 2)
        let special = map([.infinity, -.infinity, .nan], .automatic) {
            exponential($0, into: &$1, path: $2)
        }
        #expect(special[0] == .infinity)
        #expect(special[1] == 0)
        #expect(special[2].isNaN)
        let portable = map(inputs, .portable) { exponential($0, into: &$1, path: $2) }
        #expect(firstDifference(portable, results) == nil)
    }

    @Test func `Silu is x over 1 + exp(-x)`() {
        for x in testInput(1000, hostile: false).map({ $0 * 20 }) {
            let exact = Double(x) / (1 + exp(-Double(x)))
            if !(abs(Double(silu(x)) - exact) <= 4 * Double(Float(exact).ulp)) {
                Issue.record("silu(\(x)) = \(silu(x)), not \(exact)")
            }
        }
        #expect(silu(0) == 0)
        #expect(silu(200) == 200)
        #expect(silu(-200) == 0)
        let gate = testInput(100, hostile: false)
        let up = testInput(100, hostile: false, seed: 5)
        let products = map(gate, .automatic) {
            siluMultiply(gate: $0, up: up.span, into: &$1, path: $2)
        }
        #expect(products == zip(gate, up).map { silu($0) * $1 })
    }

    @Test func `Vector and portable functions have equal bits`() {
        for size in sizes {
            for hostile in [false, true] {
                let a = testInput(size, hostile: hostile)
                let b = testInput(size, hostile: hostile, seed: 5)
                let c = testInput(size, hostile: hostile, seed: 6)
                func check(_ name: String, _ body: Body) {
                    let difference = firstDifference(
                        map(a, .portable, body), map(a, .automatic, body))
                    if let difference { Issue.record("\(name) of \(size): \(difference)") }
                }
                check("rmsNorm") { rmsNorm($0, weight: b.span, epsilon: 1e-5, into: &$1, path: $2) }
                check("layerNorm") {
                    layerNorm(
                        $0, weight: b.span, bias: c.span, epsilon: 1e-5, into: &$1, path: $2)
                }
                check("add") { add($0, to: &$1, path: $2) }
                check("siluMultiply") {
                    siluMultiply(gate: $0, up: b.span, into: &$1, path: $2)
                }
                check("softmax") {
                    for index in $0.indices { $1[index] = $0[index] }
                    softmax(&$1, path: $2)
                }
            }
        }
    }

    @Test func `Norms agree with double precision`() {
        for size in sizes {
            let x = testInput(size, hostile: false).map { $0 + 0.5 }
            let weight = testInput(size, hostile: false, seed: 5)
            let bias = testInput(size, hostile: false, seed: 6)
            let squares = x.reduce(0.0) { $0 + Double($1) * Double($1) }
            let scale = 1 / (squares / Double(size) + 1e-5).squareRoot()
            let rms = map(x, .automatic) {
                rmsNorm($0, weight: weight.span, epsilon: 1e-5, into: &$1, path: $2)
            }
            let mean = x.reduce(0.0) { $0 + Double($1) } / Double(size)
            let spread = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
            let narrow = 1 / (spread / Double(size) + 1e-5).squareRoot()
            let layer = map(x, .automatic) {
                layerNorm(
                    $0, weight: weight.span, bias: bias.span, epsilon: 1e-5, into: &$1, path: $2)
            }
            for index in x.indices {
                let value = Double(x[index])
                let exactRMS = value * scale * Double(weight[index])
                let exactLayer =
                    (value - mean) * narrow * Double(weight[index]) + Double(bias[index])
                if !(abs(Double(rms[index]) - exactRMS) <= 1e-6 * (1 + abs(exactRMS)))
                    || !(abs(Double(layer[index]) - exactLayer) <= 1e-5 * (1 + abs(exactLayer)))
                {
                    Issue.record("\(size), element \(index)")
                }
            }
        }
    }

    @Test func `Softmax sums to one and keeps ratios, far from zero too`() {
        for shift in [0, 1000, -1000] as [Float] {
            var x: [Float] = [0, 1, 2].map { $0 + shift } + [-Float.infinity]
            var span = x.mutableSpan
            softmax(&span)
            let total = 1 + exp(1.0) + exp(2.0)
            for index in 0..<3 {
                #expect(abs(Double(x[index]) - exp(Double(index)) / total) < 1e-7)
            }
            #expect(x[3] == 0)
        }
    }

    @Test func `The first of equal maxima is the answer`() {
        #expect(argmax(([3] as [Float]).span) == 0)
        #expect(argmax(([1, 5, 2, 5] as [Float]).span) == 1)
        #expect(argmax(([.nan, -2, .nan, -1] as [Float]).span) == 3)
        #expect(argmax(([-.infinity, -.infinity] as [Float]).span) == 0)
    }

    /// The rule in one line per neuron, on both paths, with thresholds from all to none.
    @Test func `Shifted activity follows its rule`() {
        for size in sizes {
            let gates = testInput(size, hostile: false).map { $0 * 3 }
            let means = testInput(size, hostile: false, seed: 5).map { $0 * 0.1 }
            let weights = testInput(size, hostile: false, seed: 6).map { abs($0) }
            for threshold in [-1, 0, 0.1, 0.5, 1e9] as [Float] {
                let expected = gates.indices.filter {
                    weights[$0] * abs(silu(gates[$0]) - means[$0]) > threshold
                }
                for path in [KernelPath.automatic, .portable] {
                    var active = [UInt32](repeating: 0, count: size)
                    var shifted = [Float](repeating: 0, count: size)
                    var activeSpan = active.mutableSpan
                    var shiftedSpan = shifted.mutableSpan
                    let count = findShiftedActivity(
                        gates: gates.span, means: means.span, weights: weights.span,
                        threshold: threshold, active: &activeSpan, shifted: &shiftedSpan,
                        path: path)
                    #expect(count == expected.count)
                    #expect(active.prefix(count).map { Int($0) } == expected)
                    #expect(
                        Array(shifted.prefix(count))
                            == expected.map { silu(gates[$0]) - means[$0] })
                }
            }
        }
    }

    private typealias Body = (Span<Float>, inout MutableSpan<Float>, KernelPath) -> Void

    /// Applies a kernel to a vector; the output starts as ones.
    private func map(_ x: [Float], _ path: KernelPath, _ body: Body) -> [Float] {
        var result = [Float](repeating: 1, count: x.count)
        var output = result.mutableSpan
        body(x.span, &output, path)
        return result
    }
}
