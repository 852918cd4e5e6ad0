internal import Glibc

/// Which elements of a head turn together.
package enum RotaryPairing: CaseIterable, Sendable {
    /// (2 i, 2 i + 1): llama's files.
    case interleaved
    /// (i, i + pairs): NeoX and most others.
    case halves
}

/// Cosines and sines of rotary position embedding, computed once in double precision.
///
/// Pair i at position p turns by p × scale × base^(−2 i / dimensionCount) / factors[i].
///
/// - Source: Su et al., "RoFormer", 2021, equation 15.
package struct RotaryTable: Sendable {
    /// Elements of a head that turn; the rest of the head stays.
    package let dimensionCount: Int
    package let positionCount: Int
    private let cosines: [Float]
    private let sines: [Float]

    /// - Parameters:
    ///   - dimensionCount: even, positive, at most the head's size.
    ///   - base: the file's `rope.freq_base`.
    ///   - positionCount: positions 0 ..< positionCount get rows of 4 × dimensionCount bytes.
    ///   - scale: linear scaling of positions; 1 for none.
    ///   - factors: one divisor per pair (the file's `rope_freqs.weight`), or none.
    package init(
        dimensionCount: Int, base: Double, positionCount: Int, scale: Double = 1,
        factors: [Float] = []
    ) {
        precondition(dimensionCount > 0)
        precondition(dimensionCount.isMultiple(of: 2))
        precondition(positionCount >= 0)
        let pairCount = dimensionCount / 2
        precondition(factors.isEmpty || factors.count == pairCount)
        let frequencies = (0..<pairCount).map { pair in
            let frequency = pow(base, -2 * Double(pair) / Double(dimensionCount))
            return scale * frequency / (factors.isEmpty ? 1 : Double(factors[pair]))
        }
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positionCount * pairCount)
        sines.reserveCapacity(positionCount * pairCount)
        for position in 0..<positionCount {
            for frequency in frequencies {
                cosines.append(Float(cos(Double(position) * frequency)))
                sines.append(Float(sin(Double(position) * frequency)))
            }
        }
        self.dimensionCount = dimensionCount
        self.positionCount = positionCount
        self.cosines = cosines
        self.sines = sines
    }

    /// Turns queries or keys of one position: (a, b) becomes (a cos − b sin, a sin + b cos).
    ///
    /// - Parameters:
    ///   - x: [heads, headSize], in place.
    ///   - position: below positionCount.
    package func rotate(
        _ x: inout MutableSpan<Float>, headSize: Int, position: Int, pairing: RotaryPairing,
        path: KernelPath = .automatic
    ) {
        precondition(headSize >= dimensionCount)
        precondition(x.count.isMultiple(of: headSize))
        precondition((0..<positionCount).contains(position))
        let pairCount = dimensionCount / 2
        let row = position * pairCount..<(position + 1) * pairCount
        let cosines = self.cosines.span.extracting(row)
        let sines = self.sines.span.extracting(row)
        if path.usesVectors {
            return vectorRotate(
                &x, headSize: headSize, cosines: cosines, sines: sines,
                interleaved: pairing == .interleaved)
        }
        for head in stride(from: 0, to: x.count, by: headSize) {
            for pair in 0..<pairCount {
                let first = head + (pairing == .interleaved ? 2 * pair : pair)
                let second = first + (pairing == .interleaved ? 1 : pairCount)
                let (a, b) = (x[first], x[second])
                x[first] = (-(b * sines[pair])).addingProduct(a, cosines[pair])
                x[second] = (b * cosines[pair]).addingProduct(a, sines[pair])
            }
        }
    }
}
