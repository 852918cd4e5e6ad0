/// eˣ within 2 units in the last place, subnormal results and overflow to infinity included.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2; eʳ by its Taylor polynomial of degree 7, whose remainder
/// is below 6 × 10⁻⁹; times 2ⁿ in two halves, because 2ⁿ alone may not be a normal number.
func exponential(_ input: Float) -> Float {
    // Written so that what is not a number stays so.
    var x = input > 89 ? 89 : input
    x = x < -104 ? -104 : x
    // Adding 1.5 × 2²³ rounds to an integer, which is then in the low bits.
    let magic: Float = 0x1.8p23
    let rounded = magic.addingProduct(x, 0x1.715476p0)
    let n = rounded - magic
    // ln 2 in two parts; n times the first is exact.
    var r = x.addingProduct(-n, 0x1.62e4p-1)
    r = r.addingProduct(-n, 0x1.7f7d1cp-20)
    var p: Float = 1 / 5040
    p = (1 / 720 as Float).addingProduct(p, r)
    p = (1 / 120 as Float).addingProduct(p, r)
    p = (1 / 24 as Float).addingProduct(p, r)
    p = (1 / 6 as Float).addingProduct(p, r)
    p = (0.5 as Float).addingProduct(p, r)
    p = (1 as Float).addingProduct(p, r)
    p = (1 as Float).addingProduct(p, r)
    let power = Int32(bitPattern: rounded.bitPattern &- magic.bitPattern)
    let half = power >> 1
    p *= Float(bitPattern: UInt32(bitPattern: (half &+ 127) << 23))
    return p * Float(bitPattern: UInt32(bitPattern: (power &- half &+ 127) << 23))
}

/// x / (1 + e⁻ˣ), the sigmoid linear unit; −0 where e⁻ˣ overflows.
package func silu(_ x: Float) -> Float { x / (1 + exponential(-x)) }

/// Element by element: eˣ within 2 units in the last place.
///
/// - Parameters:
///   - x: any length.
///   - output: as long as `x`, overwritten.
package func exponential(
    _ x: Span<Float>, into output: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    precondition(output.count == x.count)
    if path.usesVectors { return vectorExponential(x, into: &output) }
    for index in x.indices { output[index] = exponential(x[index]) }
}

/// The gate of a SwiGLU layer: silu(gate) × up.
///
/// - Parameters:
///   - gate: any length.
///   - up: as long as `gate`.
///   - output: as long as `gate`, overwritten.
package func siluMultiply(
    gate: Span<Float>, up: Span<Float>, into output: inout MutableSpan<Float>,
    path: KernelPath = .automatic
) {
    precondition(up.count == gate.count)
    precondition(output.count == gate.count)
    if path.usesVectors { return vectorSiluMultiply(gate, up, into: &output) }
    for index in gate.indices { output[index] = silu(gate[index]) * up[index] }
}

/// Replaces scores by e^(score − largest) over their sum.
///
/// - Parameter x: any length; at least one element above −∞, or the result is not a number.
package func softmax(_ x: inout MutableSpan<Float>, path: KernelPath = .automatic) {
    if path.usesVectors { return vectorSoftmax(&x) }
    portableSoftmax(&x, 0..<x.count)
}

/// Of a part of `x`; element i of the part goes to running sum i mod 8.
func portableSoftmax(_ x: inout MutableSpan<Float>, _ part: Range<Int>) {
    var largest = -Float.infinity
    for index in part where x[index] > largest { largest = x[index] }
    var sums = SIMD8<Float>(repeating: 0)
    for index in part {
        x[index] = exponential(x[index] - largest)
        sums[(index - part.lowerBound) % 8] += x[index]
    }
    let factor = 1 / Lanes.total(sums)
    for index in part { x[index] *= factor }
}

/// The position of the largest element, the first of equals; not-a-number is passed over.
///
/// - Parameter x: not empty. When nothing exceeds −∞, the answer is 0.
package func argmax(_ x: Span<Float>) -> Int {
    precondition(!x.isEmpty)
    var best = 0
    var largest = -Float.infinity
    for index in x.indices where x[index] > largest {
        largest = x[index]
        best = index
    }
    return best
}
