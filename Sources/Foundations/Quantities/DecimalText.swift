/// One unit of a quantity and how many of the smallest unit it stands for.
struct Unit {
    let symbol: String
    let factor: UInt64

    init(_ symbol: String, _ factor: UInt64) {
        self.symbol = symbol
        self.factor = factor
    }
}

/// Exact conversion between decimal text and integers; no binary floating point on the way.
enum DecimalText {
    /// Digits that are read before a number is refused: all that 64 bits can need, and with the
    /// largest factor still within 128 bits.
    static let maximumDigitCount = 22
    private static let largestFactor: UInt64 = 1 << 50

    /// Reads `<number> <unit>`, the space being optional, as a count of the smallest unit.
    ///
    /// - Parameters:
    ///   - units: the accepted units; their first symbol list is what an error offers.
    ///   - smallest: name of the counted unit, for the error of a value that is too fine.
    static func count(
        _ text: String, units: [Unit], smallest: String
    ) throws(QuantityError) -> UInt64 {
        let trimmed = text.trimmingBlanks()
        guard !trimmed.isEmpty else { throw .empty }
        let number = trimmed.prefix { isNumberCharacter($0) }
        let symbol = trimmed[number.endIndex...].drop { isBlank($0) }
        let allowed = units.map(\.symbol)
        if number.hasPrefix("-") { throw .negative(String(trimmed)) }
        guard !number.isEmpty else { throw .notANumber(String(trimmed)) }
        guard !symbol.isEmpty else { throw .missingUnit(String(trimmed), allowed: allowed) }
        guard let unit = units.first(where: { $0.symbol == symbol }) else {
            throw .unknownUnit(String(symbol), allowed: allowed)
        }
        return try scaled(number, by: unit.factor, text: String(trimmed), smallest: smallest)
    }

    /// Reads a decimal number and multiplies it by `factor`, exactly.
    static func scaled(
        _ number: Substring, by factor: UInt64, text: String, smallest: String
    ) throws(QuantityError) -> UInt64 {
        if number.hasPrefix("-") { throw .negative(text) }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, !whole.isEmpty else {
            throw .notANumber(text)
        }
        // Trailing zeros of the fraction carry no value and would only eat into the digit limit.
        var fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count == 1 || !fraction.isEmpty else { throw .notANumber(text) }
        while fraction.hasSuffix("0") { fraction.removeLast() }
        let digits = String(whole.drop { $0 == "0" }) + String(fraction)
        guard digits.allSatisfy({ ("0"..."9").contains($0) }) else { throw .notANumber(text) }
        let largest = "\(UInt64.max) \(smallest)"
        guard digits.count <= maximumDigitCount else {
            if fraction.isEmpty { throw .tooLarge(text, largest: largest) }
            throw .finerThan(text, smallest: smallest)
        }
        // 22 digits stay below 2⁷⁴, the product below 2¹²⁴.
        precondition(factor <= largestFactor)
        let value = UInt128(digits.isEmpty ? "0" : digits) ?? 0
        let (quotient, remainder) = (value * UInt128(factor))
            .quotientAndRemainder(dividingBy: powerOfTen(fraction.count))
        guard remainder == 0 else { throw .finerThan(text, smallest: smallest) }
        guard let result = UInt64(exactly: quotient) else {
            throw .tooLarge(text, largest: largest)
        }
        return result
    }

    /// `count` in units of `factor`, with all its decimals: 25 600 000 001 by 10⁹ gives
    /// `25.600000001`.
    ///
    /// - Precondition: `factor` is a power of ten or divides `count`.
    static func exact(_ count: UInt64, dividedBy factor: UInt64) -> String {
        let (whole, remainder) = count.quotientAndRemainder(dividingBy: factor)
        guard remainder != 0 else { return String(whole) }
        let digits = String(factor + remainder).dropFirst()
        precondition(digits.count == String(factor).count - 1)
        return "\(whole).\(withoutTrailingZeros(digits))"
    }

    /// `count` in units of `factor`, to four significant digits, rounded half up: `1.667`.
    static func rounded(_ count: UInt64, dividedBy factor: UInt64) -> String {
        let whole = count / factor
        let decimals = max(0, 4 - String(whole).count)
        let scale = powerOfTen(decimals)
        let scaled = (UInt128(count) * scale * 2 + UInt128(factor)) / (UInt128(factor) * 2)
        let (shown, remainder) = scaled.quotientAndRemainder(dividingBy: scale)
        guard remainder != 0 else { return String(shown) }
        return "\(shown).\(withoutTrailingZeros(String(scale + remainder).dropFirst()))"
    }

    /// The largest of `units` (ascending) that is at most `count`; the smallest unit for zero.
    static func fitting(_ count: UInt64, in units: [Unit]) -> Unit {
        precondition(!units.isEmpty)
        return units.last { $0.factor <= count } ?? units[0]
    }

    private static func powerOfTen(_ exponent: Int) -> UInt128 {
        (0..<exponent).reduce(UInt128(1)) { power, _ in power * 10 }
    }

    private static func withoutTrailingZeros(_ digits: Substring) -> Substring {
        var digits = digits
        while digits.hasSuffix("0") { digits.removeLast() }
        return digits
    }

    private static func isNumberCharacter(_ character: Character) -> Bool {
        ("0"..."9").contains(character) || character == "." || character == "-"
            || character == "+" || character == "," || character == "_"
    }

    static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }
}

extension String {
    func trimmingBlanks() -> Substring {
        var text = self[...].drop { DecimalText.isBlank($0) }
        while let last = text.last, DecimalText.isBlank(last) { text.removeLast() }
        return text
    }
}

extension UInt64 {
    /// `self × multiplier ÷ divisor`, rounded up; `nil` when it does not fit 64 bits.
    func multipliedThenDividedRoundingUp(by multiplier: UInt64, _ divisor: UInt64) -> UInt64? {
        precondition(divisor > 0)
        let product = UInt128(self) * UInt128(multiplier)
        return UInt64(exactly: (product + UInt128(divisor - 1)) / UInt128(divisor))
    }

    /// `self × multiplier ÷ divisor`, rounded down; `nil` when it does not fit 64 bits.
    func multipliedThenDividedRoundingDown(by multiplier: UInt64, _ divisor: UInt64) -> UInt64? {
        precondition(divisor > 0)
        return UInt64(exactly: UInt128(self) * UInt128(multiplier) / UInt128(divisor))
    }
}
