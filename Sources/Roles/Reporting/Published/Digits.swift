import Foundation

/// Numbers as tables show them.
package enum Digits {
    /// With so many digits behind the point, zeros too: a column of them can be read downwards.
    package static func fixed(_ value: Double, _ decimalCount: Int) -> String {
        value.isFinite ? String(format: "%.\(decimalCount)f", value) : "-"
    }

    /// Ours over the published: to a hundredth, small ones to two digits.
    package static func ratio(_ value: Double) -> String {
        value.magnitude >= 0.1 ? fixed(value, 2) : significant(value, 2)
    }

    /// With so many significant digits and no exponent: 0.0123, 1.23, 123, 1230.
    package static func significant(_ value: Double, _ digitCount: Int) -> String {
        guard value.isFinite else { return "-" }
        guard value != 0 else { return "0" }
        let magnitude = Int(log10(value.magnitude).rounded(.down))
        let decimals = max(0, min(12, digitCount - 1 - magnitude))
        let text = String(format: "%.\(decimals)f", value)
        guard text.contains(".") else { return text }
        let trimmed = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
        return String(trimmed.reversed())
    }
}
