/// One unit's share of a sum over neurons, and the place where shares are added.
///
/// Narrow sums are float32, the fast choice: another split of the neurons adds in another order,
/// so results differ in their last bits. Wide sums are float64 until all shares are in: the
/// rounding to float32 then hides the order, and any split gives the same float32 values but for
/// about one in 10⁸. A sparse run needs that, since a gate near its threshold would otherwise
/// fall to different sides in different splits, and a whole neuron's contribution with it.
package struct PartialSum: Sendable {
    package let count: Int
    package let isWide: Bool
    package internal(set) var narrow: [Float]
    package internal(set) var wide: [Double]

    /// Zeros, [count].
    package init(count: Int, isWide: Bool) {
        self.count = count
        self.isWide = isWide
        narrow = Array(repeating: 0, count: isWide ? 0 : count)
        wide = Array(repeating: 0, count: isWide ? count : 0)
    }

    /// Bytes of one element as messages carry it.
    package static func elementByteCount(isWide: Bool) -> Int { isWide ? 8 : 4 }

    /// Sets the first `elementCount` elements to zero.
    package mutating func clear(_ elementCount: Int) {
        if isWide {
            for index in 0..<elementCount { wide[index] = 0 }
        } else {
            for index in 0..<elementCount { narrow[index] = 0 }
        }
    }

    /// Writes the first `output.count` elements, rounded to float32.
    package func round(into output: inout [Float]) {
        precondition(output.count <= count)
        if isWide {
            for index in output.indices { output[index] = Float(wide[index]) }
        } else {
            for index in output.indices { output[index] = narrow[index] }
        }
    }

    /// Adds another unit's elements, as a message carries them from `byteOffset` on.
    ///
    /// - Precondition: `message` holds `elementCount` of them.
    package mutating func add(
        _ elementCount: Int, of message: RawSpan, at byteOffset: Int
    ) {
        precondition(elementCount <= count)
        let size = Self.elementByteCount(isWide: isWide)
        precondition(byteOffset >= 0 && byteOffset <= message.byteCount - size * elementCount)
        for index in 0..<elementCount {
            let place = byteOffset + size * index
            if isWide {
                wide[index] += unsafe message.unsafeLoadUnaligned(
                    fromByteOffset: place, as: Double.self)
            } else {
                narrow[index] += unsafe message.unsafeLoadUnaligned(
                    fromByteOffset: place, as: Float.self)
            }
        }
    }
}
