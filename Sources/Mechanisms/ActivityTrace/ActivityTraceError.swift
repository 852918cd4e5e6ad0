package import SystemPackage

/// Why a trace or an archive cannot be read or written: the file, the place in it, and the rule.
package enum ActivityTraceError: Error, Equatable, CustomStringConvertible {
    /// What was being done; reads as the start of a sentence.
    package enum Step: String, Sendable {
        case create = "cannot create"
        case open = "cannot open"
        case examine = "cannot examine"
        case read = "cannot read"
        case write = "cannot write"
        case flush = "cannot flush"
        case rename = "cannot give its name to"
    }

    /// The operating system refused.
    case system(Step, file: String, cause: Errno)
    /// The content breaks a rule of its format.
    case refused(file: String, place: Place, rule: Rule)

    /// A part of a file.
    package enum Place: Equatable, Sendable, CustomStringConvertible {
        case file
        case header
        /// The frame of token number `index`, at this offset from the file's beginning.
        case frame(Int, byteOffset: Int)
        case table(String)
        case directory
        case footer
        /// An entry of a NumPy archive.
        case entry(String)

        package var description: String {
            switch self {
            case .file: "the file"
            case .header: "the header"
            case .frame(let index, let offset): "frame \(index) (byte \(offset))"
            case .table(let name): "table '\(name)'"
            case .directory: "the directory"
            case .footer: "the footer"
            case .entry(let name): "entry '\(name)'"
            }
        }
    }

    /// What a place has to comply with, and does not; reads on from "<place> ".
    package enum Rule: Equatable, Sendable, CustomStringConvertible {
        /// Another kind of file.
        case notA(String)
        case version(Int, supported: Int)
        case checksum
        /// It needs more bytes than there are.
        case truncated(neededByteCount: Int, availableByteCount: Int)
        case outOfRange(String, value: Int, allowed: ClosedRange<Int>)
        case contains(String)
        case lacks(String)

        package var description: String {
            switch self {
            case .notA(let kind): "is not \(kind)"
            case .version(let found, let supported):
                "has version \(found), this program reads \(supported)"
            case .checksum: "is damaged: its checksum does not match"
            case .truncated(let needed, let available):
                "is truncated: it needs \(needed) bytes, there are \(available)"
            case .outOfRange(let name, let value, let allowed):
                "has \(name) \(value), allowed are \(allowed.lowerBound) to \(allowed.upperBound)"
            case .contains(let what): "has \(what)"
            case .lacks(let what): "has no \(what)"
            }
        }
    }

    package var description: String {
        switch self {
        case .system(let step, let file, let cause): "\(step.rawValue) '\(file)': \(cause)"
        case .refused(let file, let place, let rule): "'\(file)': \(place) \(rule)"
        }
    }
}
