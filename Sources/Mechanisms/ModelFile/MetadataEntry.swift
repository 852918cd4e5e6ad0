/// The type of a metadata value, with the file's own number. Source: the GGUF specification.
enum MetadataValueType: UInt32, Sendable {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array
    case uint64, int64, float64

    /// Bytes of a value, or `nil` where each value has its own length.
    var byteCount: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The least that one array element takes: the length of an empty string, or the element
    /// type and count of an empty array.
    var minimumByteCount: Int {
        switch self {
        case .string: 8
        case .array: 12
        default: byteCount ?? 1
        }
    }

    var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
        case .float32, .bool, .string, .array, .float64: false
        }
    }
}

/// Where a metadata value lies in the file. Values stay there until somebody asks.
struct MetadataEntry: Sendable {
    enum Kind: Sendable {
        /// A number or a boolean.
        case scalar(MetadataValueType)
        case string
        /// `count` elements, one after another, strings with their lengths.
        case array(of: MetadataValueType, count: Int)
    }

    let kind: Kind
    /// The value's bytes, without its type; for a string without its length, for an array
    /// without its element type and count.
    let range: Range<Int>

    /// As an error message names it.
    var typeName: String {
        switch kind {
        case .scalar(let type): "of type \(type)"
        case .string: "of type string"
        case .array(let element, let count): "an array of \(count) \(element)"
        }
    }
}
