import WeightFormats

/// A tensor's type as the file numbers it, known by name even where it is not supported.
///
/// Sizes are known for every type, so that truncation and overlap are found before anyone asks
/// for the tensor. Source: `ggml_type` and its block structures in ggml.
struct TensorType: Equatable, Sendable {
    let code: UInt32

    /// The type's name in ggml, or `nil` for a number that ggml never gave out.
    var name: String? { row?.name ?? Self.removed[code] }

    /// Elements and bytes of one block, or `nil` where the type is unknown or was removed.
    var block: (elements: Int, bytes: Int)? { row.map { ($0.elements, $0.bytes) } }

    /// The format that the kernels compute with, or `nil` where they cannot yet.
    var format: WeightFormat? { name.flatMap(WeightFormat.init(rawValue:)) }

    private var row: Row? { Self.rows[code] }

    private struct Row: Sendable {
        let name: String
        let elements: Int
        let bytes: Int

        init(_ name: String, _ elements: Int, _ bytes: Int) {
            self.name = name
            self.elements = elements
            self.bytes = bytes
        }
    }

    private static let rows: [UInt32: Row] = [
        0: Row("F32", 1, 4), 1: Row("F16", 1, 2),
        2: Row("Q4_0", 32, 18), 3: Row("Q4_1", 32, 20),
        6: Row("Q5_0", 32, 22), 7: Row("Q5_1", 32, 24),
        8: Row("Q8_0", 32, 34), 9: Row("Q8_1", 32, 36),
        10: Row("Q2_K", 256, 84), 11: Row("Q3_K", 256, 110), 12: Row("Q4_K", 256, 144),
        13: Row("Q5_K", 256, 176), 14: Row("Q6_K", 256, 210), 15: Row("Q8_K", 256, 292),
        16: Row("IQ2_XXS", 256, 66), 17: Row("IQ2_XS", 256, 74), 18: Row("IQ3_XXS", 256, 98),
        19: Row("IQ1_S", 256, 50), 20: Row("IQ4_NL", 32, 18), 21: Row("IQ3_S", 256, 110),
        22: Row("IQ2_S", 256, 82), 23: Row("IQ4_XS", 256, 136),
        24: Row("I8", 1, 1), 25: Row("I16", 1, 2), 26: Row("I32", 1, 4), 27: Row("I64", 1, 8),
        28: Row("F64", 1, 8), 29: Row("IQ1_M", 256, 56), 30: Row("BF16", 1, 2),
        34: Row("TQ1_0", 256, 54), 35: Row("TQ2_0", 256, 66),
        39: Row("MXFP4", 32, 17), 40: Row("NVFP4", 64, 36), 41: Row("Q1_0", 128, 18),
    ]

    /// Numbers that ggml has withdrawn; files with them still exist.
    private static let removed: [UInt32: String] = [
        4: "Q4_2", 5: "Q4_3", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
        36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8",
    ]
}
