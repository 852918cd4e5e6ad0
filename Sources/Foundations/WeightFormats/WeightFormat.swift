/// How a model file stores the elements of a weight matrix.
///
/// A quantised format groups 32 consecutive elements of one row into a block that shares a
/// scale (and, for Q4_1, an offset). Source: the GGUF specification and ggml's block layouts.
package enum WeightFormat: String, CaseIterable, Hashable, Sendable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    /// 32 signed bytes q and one half-precision d: value = d·q. Bytes: d, q0...q31.
    case q8_0 = "Q8_0"
    /// 32 nibbles q and one half-precision d: value = d·(q − 8). Bytes: d, then 16 bytes whose
    /// low nibbles are elements 0...15 and high nibbles elements 16...31.
    case q4_0 = "Q4_0"
    /// As Q4_0 with an offset: value = d·q + m. Bytes: d, m, then 16 bytes of nibbles.
    case q4_1 = "Q4_1"

    /// Elements that share one block: 1 for plain formats, 32 for quantised ones.
    package var elementsPerBlock: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q8_0, .q4_0, .q4_1: 32
        }
    }

    /// Bytes of one block in the file.
    package var bytesPerBlock: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q8_0: 34
        case .q4_0: 18
        case .q4_1: 20
        }
    }

    /// Bytes of one row of `elementCount` elements; `nil` when blocks would not fill the row.
    package func rowByteCount(elementCount: Int) -> Int? {
        guard elementCount >= 0, elementCount.isMultiple(of: elementsPerBlock) else { return nil }
        let (bytes, overflow) = (elementCount / elementsPerBlock)
            .multipliedReportingOverflow(by: bytesPerBlock)
        return overflow ? nil : bytes
    }
}
