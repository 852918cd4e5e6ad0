/// What the word rules ask of a Unicode scalar, as bits.
struct ScalarClass: OptionSet, Sendable {
    let rawValue: UInt8

    /// General category L.
    static let letter = ScalarClass(rawValue: 1)
    /// General category N.
    static let number = ScalarClass(rawValue: 2)
    /// Property White_Space.
    static let whitespace = ScalarClass(rawValue: 4)
    /// Carriage return and line feed; also `whitespace`.
    static let lineBreak = ScalarClass(rawValue: 8)
    /// General category P, and `$+<=>^~|`.
    static let punctuation = ScalarClass(rawValue: 16)
    /// U+0020; also `whitespace`.
    static let space = ScalarClass(rawValue: 32)
    static let asciiDigit = ScalarClass(rawValue: 64)
    static let apostrophe = ScalarClass(rawValue: 128)

    /// Letters, numbers and white space: what `[^\s\p{L}\p{N}]` leaves out.
    static let wordOrSpace: ScalarClass = [.letter, .number, .whitespace]

    init(rawValue: UInt8) { self.rawValue = rawValue }

    init(of scalar: Unicode.Scalar) {
        self =
            scalar.value < 0x80
            ? Self.ascii[Int(scalar.value)] : Self(lookingUp: scalar)
    }

    private static let ascii: [ScalarClass] = (0..<128).map { code in
        let scalar = Unicode.Scalar(UInt8(code))
        var result = ScalarClass(lookingUp: scalar)
        switch scalar {
        case "\r", "\n": result.insert(.lineBreak)
        case " ": result.insert(.space)
        case "$", "+", "<", "=", ">", "^", "~", "|": result.insert(.punctuation)
        case "0"..."9": result.insert(.asciiDigit)
        case "'": result.insert(.apostrophe)
        default: break
        }
        return result
    }

    private init(lookingUp scalar: Unicode.Scalar) {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            self = .number
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
            .initialPunctuation, .finalPunctuation, .otherPunctuation:
            self = .punctuation
        default:
            self = properties.isWhitespace ? .whitespace : []
        }
    }
}

/// Scalars of a stretch of UTF-8 with the offset and class of each.
struct ScannedText {
    /// [scalar count]
    private(set) var classes: [ScalarClass] = []
    /// Byte offsets, with that of the end as last element, [scalar count + 1].
    private(set) var offsets: [Int32] = []

    /// Replaces the content; keeps the buffers.
    ///
    /// - Parameter range: bytes of `text`, whole scalars in valid UTF-8.
    mutating func scan(_ text: [UInt8], _ range: Range<Int>) {
        classes.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        classes.reserveCapacity(range.count)
        offsets.reserveCapacity(range.count + 1)
        var index = range.lowerBound
        while index < range.upperBound {
            let (scalar, byteCount) = UTF8Text.scalar(in: text, at: index)
            offsets.append(Int32(index))
            classes.append(ScalarClass(of: scalar))
            index += byteCount
        }
        offsets.append(Int32(range.upperBound))
    }
}

enum UTF8Text {
    /// - Parameter index: start of a scalar in valid UTF-8.
    static func scalar(in text: [UInt8], at index: Int) -> (Unicode.Scalar, byteCount: Int) {
        let first = UInt32(text[index])
        func following(_ distance: Int) -> UInt32 { UInt32(text[index + distance] & 0x3F) }
        let (value, byteCount): (UInt32, Int) =
            switch first {
            case 0..<0x80: (first, 1)
            case 0..<0xE0: ((first & 0x1F) << 6 | following(1), 2)
            case 0..<0xF0: ((first & 0x0F) << 12 | following(1) << 6 | following(2), 3)
            default:
                (
                    (first & 0x07) << 18 | following(1) << 12 | following(2) << 6 | following(3),
                    4
                )
            }
        guard let scalar = Unicode.Scalar(value) else {
            preconditionFailure("the text is not valid UTF-8")
        }
        return (scalar, byteCount)
    }
}
