/// 128 random bits that name one start of one worker, so that nothing stale is taken for it.
package struct LinkSession: Equatable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func random() -> LinkSession {
        var generator = SystemRandomNumberGenerator()
        return LinkSession(high: generator.next(), low: generator.next())
    }

    /// 32 hexadecimal digits.
    package var description: String { Self.digits(of: high) + Self.digits(of: low) }

    /// Reads what ``description`` gives; nil for anything else.
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }),
            let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    private static func digits(of half: UInt64) -> String {
        let digits = String(half, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
