package import MappedMemory
import SystemPackage

/// Why a model file was refused: which file, where in it, and which rule it breaks.
///
/// Every rule is about the input (bad data), except where ``isLackOfResources`` says that the
/// machine, not the file, is at fault.
package struct ModelFileError: Error, Equatable, CustomStringConvertible {
    package enum Place: Equatable, Sendable {
        case file
        /// Offset from the start of the file.
        case byte(Int)
        /// A metadata key.
        case key(String)
        case tensor(String)
    }

    package enum Rule: Equatable, Sendable {
        case notMapped(MappedMemoryError)
        case notGGUF(firstBytes: [UInt8])
        case bigEndian
        case unsupportedVersion(UInt32)
        case truncated(needed: UInt64, available: Int)
        case countExceedsFile(String, count: UInt64, remainingBytes: Int)
        case lengthOutOfRange(String, length: UInt64, allowed: ClosedRange<Int>)
        case notUTF8
        case duplicate
        case unknownValueType(UInt32)
        case arraysNestedTooDeeply(limit: Int)
        case notABoolean(UInt8)
        case badAlignment(UInt64)
        case dimensionCountOutOfRange(UInt32)
        case dimensionOutOfRange(index: Int, value: UInt64)
        case sizeOverflows
        case partialBlock(columnCount: Int, typeName: String, elementsPerBlock: Int)
        case offsetNotAligned(offset: UInt64, alignment: Int)
        case pastEnd(end: UInt64, fileByteCount: Int)
        case overlaps(with: String)
        case unsupportedTensorType(String)
        case missing
        case wrongValueType(found: String, expected: String)
        case outOfRange(value: String, allowed: String)
        case unsupported(found: String, supported: String)
        case quantised(typeName: String)
        case wrongShape(found: [Int], expected: [Int])
        case inconsistent(String)
        case unexpectedTensor(reason: String)
    }

    /// The path, or the name that the caller gave to a descriptor or to bytes in memory.
    package let file: String
    package let place: Place
    package let rule: Rule

    package init(file: String, place: Place, rule: Rule) {
        self.file = file
        self.place = place
        self.rule = rule
    }

    /// The machine lacks memory or descriptors; the file may be perfectly good.
    package var isLackOfResources: Bool {
        guard case .notMapped(.system(_, _, let cause)) = rule else { return false }
        return [.noMemory, .tooManyOpenFiles, .tooManyOpenFilesInSystem].contains(cause)
    }

    package var description: String {
        // The cause names the file itself.
        if case .notMapped(let cause) = rule { return "model file: \(cause)" }
        return switch place {
        case .file: "model file '\(file)': \(rule)"
        case .byte(let offset): "model file '\(file)', byte \(offset): \(rule)"
        case .key(let key): "model file '\(file)', key '\(printable(key))': \(rule)"
        case .tensor(let name): "model file '\(file)', tensor '\(printable(name))': \(rule)"
        }
    }
}

/// Text from a file, made fit for a terminal: one line, no control characters, not too long.
private func printable(_ text: String) -> String {
    let limit = 80
    let scalars = text.unicodeScalars
    var result = String.UnicodeScalarView()
    for scalar in scalars.prefix(limit) {
        let isPlain: Bool
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned: isPlain = false
        default: isPlain = true
        }
        result.append(isPlain ? scalar : "\u{FFFD}")
    }
    return String(result) + (scalars.dropFirst(limit).isEmpty ? "" : "…")
}

extension ModelFileError.Rule: CustomStringConvertible {
    package var description: String {
        containerDescription ?? tensorDescription ?? contentDescription
    }

    /// Rules about the file as a container.
    private var containerDescription: String? {
        switch self {
        case .notMapped(let cause): cause.description
        case .notGGUF(let bytes):
            "not a GGUF file: it begins with \(hexadecimal(bytes)), not with 47 47 55 46 (GGUF)"
        case .bigEndian: "big-endian (byte-swapped) GGUF; only little-endian files are supported"
        case .unsupportedVersion(let version):
            "GGUF version \(version) is not supported; supported: 2, 3"
        case .truncated(let needed, let available):
            "truncated: \(needed) bytes are needed here, \(available) are left"
        case .countExceedsFile(let what, let count, let remaining):
            "declares \(count) \(what), more than the remaining \(remaining) bytes can hold"
        case .lengthOutOfRange(let what, let length, let allowed):
            "\(what) is \(length) bytes long; allowed: \(span(allowed))"
        case .notUTF8: "not valid UTF-8"
        case .duplicate: "appears twice"
        case .unknownValueType(let code): "metadata value type \(code) is unknown; known: 0 to 12"
        case .arraysNestedTooDeeply(let limit): "arrays are nested more than \(limit) deep"
        case .notABoolean(let byte): "a boolean must be 0 or 1, not \(byte)"
        case .badAlignment(let value):
            "alignment must be a power of two from 8 to 65536, not \(value)"
        default: nil
        }
    }

    /// Rules about a tensor's description.
    private var tensorDescription: String? {
        switch self {
        case .dimensionCountOutOfRange(let count): "has \(count) dimensions; allowed: 1 to 4"
        case .dimensionOutOfRange(let index, let value):
            "dimension \(index) is \(value); allowed: 1 to \(Int.max)"
        case .sizeOverflows: "its size in bytes overflows 64 bits"
        case .partialBlock(let columns, let type, let elements):
            "rows of \(columns) elements do not fill \(type) blocks of \(elements)"
        case .offsetNotAligned(let offset, let alignment):
            "offset \(offset) is not a multiple of the alignment \(alignment)"
        case .pastEnd(let end, let fileByteCount):
            "ends at byte \(end), past the end of the file (\(fileByteCount) bytes)"
        case .overlaps(let other): "overlaps tensor '\(printable(other))'"
        case .unsupportedTensorType(let type):
            "type \(type) is not supported yet; supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1"
        case .quantised(let type): "type is \(type), but this tensor must be F32, F16 or BF16"
        case .wrongShape(let found, let expected):
            "shape is \(found), expected \(expected) (fastest dimension first)"
        case .unexpectedTensor(let reason): reason
        default: nil
        }
    }

    /// Rules about what the metadata say.
    private var contentDescription: String {
        switch self {
        case .missing: "missing"
        case .wrongValueType(let found, let expected): "is \(found), expected \(expected)"
        case .outOfRange(let value, let allowed):
            "is \(printable(value)); allowed: \(allowed)"
        case .unsupported(let found, let supported):
            "'\(printable(found))' is not supported; supported: \(supported)"
        case .inconsistent(let explanation): explanation
        default: "refused"
        }
    }
}

private func span(_ range: ClosedRange<Int>) -> String {
    "\(range.lowerBound) to \(range.upperBound)"
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "nothing" }
    return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
