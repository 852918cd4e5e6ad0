package import WeightFormats

/// Encodes weights for test models in each file format; rounding is to nearest, as writers do.
extension WeightFormat {
    /// - Parameter values: whole rows, one after another; whole blocks, where there are blocks.
    package func encode(_ values: [Float]) -> [UInt8] {
        precondition(values.count.isMultiple(of: elementsPerBlock))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count / elementsPerBlock * bytesPerBlock)
        for start in stride(from: 0, to: values.count, by: elementsPerBlock) {
            encodeBlock(values[start..<start + elementsPerBlock], to: &bytes)
        }
        return bytes
    }

    private func encodeBlock(_ block: ArraySlice<Float>, to bytes: inout [UInt8]) {
        switch self {
        case .f32:
            for value in block { bytes.append(littleEndian: value.bitPattern) }
        case .f16:
            for value in block { bytes.append(littleEndian: Float16(value).bitPattern) }
        case .bf16:
            for value in block { bytes.append(littleEndian: Self.bfloat16(value)) }
        case .q8_0:
            let largest = block.map(abs).max() ?? 0
            let scale = Float16(largest / 127)
            bytes.append(littleEndian: scale.bitPattern)
            for value in block {
                let code = Self.code(value, scale: Float(scale), in: -127...127)
                bytes.append(UInt8(bitPattern: Int8(code)))
            }
        case .q4_0:
            // The value of largest magnitude gets code 0, that is -8 steps: the format's one
            // asymmetric level is not wasted.
            let extreme = block.max { abs($0) < abs($1) } ?? 0
            let scale = Float16(extreme / -8)
            bytes.append(littleEndian: scale.bitPattern)
            Self.appendNibbles(
                block.map { Self.code($0, scale: Float(scale), in: -8...7) + 8 }, to: &bytes)
        case .q4_1:
            let minimum = Float16(block.min() ?? 0)
            let scale = Float16(((block.max() ?? 0) - Float(minimum)) / 15)
            bytes.append(littleEndian: scale.bitPattern)
            bytes.append(littleEndian: minimum.bitPattern)
            Self.appendNibbles(
                block.map { Self.code($0 - Float(minimum), scale: Float(scale), in: 0...15) },
                to: &bytes)
        }
    }

    /// The upper half of a float, rounded to nearest, ties to even.
    private static func bfloat16(_ value: Float) -> UInt16 {
        precondition(value.isFinite)
        let bits = value.bitPattern
        return UInt16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    }

    private static func code(_ value: Float, scale: Float, in range: ClosedRange<Int>) -> Int {
        guard scale != 0 else { return min(max(0, range.lowerBound), range.upperBound) }
        return min(max(Int((value / scale).rounded()), range.lowerBound), range.upperBound)
    }

    /// 32 codes in 16 bytes: the first half of them in the low nibbles.
    private static func appendNibbles(_ codes: [Int], to bytes: inout [UInt8]) {
        let half = codes.count / 2
        for position in 0..<half {
            bytes.append(UInt8(codes[position] | codes[position + half] << 4))
        }
    }
}
