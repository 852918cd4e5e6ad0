package import WeightFormats

/// Weights of a file as the numbers they stand for.
///
/// Source: the GGUF specification and ggml's block layouts, as described at `WeightFormat`.
enum WeightDecoding {
    /// An IEEE 754 half as float, exactly; a signalling NaN becomes quiet, as the processor's
    /// own conversion does.
    static func float(half bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 31
        let fraction = UInt32(bits) & 0x3FF
        switch exponent {
        case 0:
            // Zero or subnormal: fraction × 2⁻²⁴, which float represents as a normal number.
            let magnitude = Float(fraction) * 0x1p-24
            return Float(bitPattern: magnitude.bitPattern | sign)
        case 31:
            let quiet: UInt32 = fraction == 0 ? 0 : 0x0040_0000
            return Float(bitPattern: sign | 0x7F80_0000 | quiet | fraction << 13)
        default:
            return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    static func float(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// One element of a plain format.
    static func element(_ bytes: RawSpan, format: WeightFormat, index: Int) -> Float {
        switch format {
        case .f32: Float(bitPattern: bytes.word(at: 4 * index))
        case .f16: float(half: bytes.half(at: 2 * index))
        case .bf16: float(bfloat16: bytes.half(at: 2 * index))
        case .q8_0, .q4_0, .q4_1: preconditionFailure("\(format.rawValue) has blocks")
        }
    }
}

// What kernels ask of a format, per block: `==` would compare the names as strings.
extension WeightFormat {
    /// Elements stand for themselves; there are no blocks.
    var isPlain: Bool {
        switch self {
        case .f32, .f16, .bf16: true
        case .q8_0, .q4_0, .q4_1: false
        }
    }

    /// Codes are signed bytes rather than nibbles.
    var codesAreBytes: Bool {
        switch self {
        case .q8_0: true
        case .f32, .f16, .bf16, .q4_0, .q4_1: false
        }
    }

    /// The code that stands for zero is 8.
    var codesAreCentered: Bool {
        switch self {
        case .q4_0: true
        case .f32, .f16, .bf16, .q8_0, .q4_1: false
        }
    }

    /// A block has an offset beside its scale.
    var hasOffsets: Bool {
        switch self {
        case .q4_1: true
        case .f32, .f16, .bf16, .q8_0, .q4_0: false
        }
    }
}

/// A block of 32 weights that share a scale and, for Q4_1, an offset.
struct WeightBlock {
    /// As stored: Q8_0 −128...127, Q4_0 and Q4_1 0...15.
    let codes: InlineArray<32, Int8>
    let scale: Float
    /// Zero where the format has none.
    let offset: Float

    /// Reads block `index` of a row.
    init(row: RawSpan, format: WeightFormat, index: Int) {
        let start = index * format.bytesPerBlock
        let headerByteCount = format.hasOffsets ? 4 : 2
        var codes = InlineArray<32, Int8>(repeating: 0)
        if format.codesAreBytes {
            for position in 0..<32 {
                codes[position] = Int8(bitPattern: row.byte(at: start + 2 + position))
            }
        } else {
            for position in 0..<16 {
                let byte = row.byte(at: start + headerByteCount + position)
                codes[position] = Int8(bitPattern: byte & 15)
                codes[position + 16] = Int8(bitPattern: byte >> 4)
            }
        }
        self.codes = codes
        scale = WeightDecoding.float(half: row.half(at: start))
        offset = format.hasOffsets ? WeightDecoding.float(half: row.half(at: start + 2)) : 0
    }

    /// Element `index`, rounded after the product and after the sum, as ggml does.
    func value(_ index: Int, format: WeightFormat) -> Float {
        Self.value(code: codes[index], scale: scale, offset: offset, format: format)
    }

    static func value(code: Int8, scale: Float, offset: Float, format: WeightFormat) -> Float {
        let product = scale * Float(format.codesAreCentered ? code - 8 : code)
        // Adding a zero offset would turn −0 into +0.
        return format.hasOffsets ? product + offset : product
    }
}

/// Writes one row of a matrix as float, exactly as ggml expands it.
///
/// - Parameters:
///   - weights: row-major, [rows, columnCount], blocks along the row.
///   - columnCount: a multiple of the format's block.
///   - output: [columnCount].
package func dequantiseRow(
    weights: RawSpan, format: WeightFormat, columnCount: Int, row: Int,
    into output: inout MutableSpan<Float>
) {
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    let bytes = weights.extracting(matrix.bytes(ofRow: row))
    precondition(output.count == columnCount)
    if format.isPlain {
        for column in 0..<columnCount {
            output[column] = WeightDecoding.element(bytes, format: format, index: column)
        }
        return
    }
    for index in 0..<columnCount / 32 {
        let block = WeightBlock(row: bytes, format: format, index: index)
        for position in 0..<32 {
            output[32 * index + position] = block.value(position, format: format)
        }
    }
}
