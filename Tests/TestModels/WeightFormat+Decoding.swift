package import WeightFormats

/// Decodes weights as the format's definition says, element by element: what the program's own
/// decoding is compared with.
extension WeightFormat {
    /// - Parameter bytes: whole blocks.
    package func decode(_ bytes: [UInt8]) -> [Float] {
        precondition(bytes.count.isMultiple(of: bytesPerBlock))
        return stride(from: 0, to: bytes.count, by: bytesPerBlock).flatMap {
            decodeBlock(bytes[$0..<$0 + bytesPerBlock])
        }
    }

    private func decodeBlock(_ block: ArraySlice<UInt8>) -> [Float] {
        let bytes = Array(block)
        switch self {
        case .f32:
            let low = UInt32(Self.word(bytes, 0))
            return [Float(bitPattern: low | UInt32(Self.word(bytes, 2)) << 16)]
        case .f16: return [Self.half(bytes, 0)]
        case .bf16: return [Float(bitPattern: UInt32(Self.word(bytes, 0)) << 16)]
        case .q8_0:
            let scale = Self.half(bytes, 0)
            return bytes[2...].map { scale * Float(Int8(bitPattern: $0)) }
        case .q4_0:
            let scale = Self.half(bytes, 0)
            return Self.nibbles(bytes[2...]).map { scale * Float($0 - 8) }
        case .q4_1:
            let (scale, offset) = (Self.half(bytes, 0), Self.half(bytes, 2))
            return Self.nibbles(bytes[4...]).map { scale * Float($0) + offset }
        }
    }

    private static func nibbles(_ bytes: ArraySlice<UInt8>) -> [Int] {
        bytes.map { Int($0 & 15) } + bytes.map { Int($0 >> 4) }
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
        UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
    }

    private static func half(_ bytes: [UInt8], _ offset: Int) -> Float {
        Float(Float16(bitPattern: word(bytes, offset)))
    }
}
