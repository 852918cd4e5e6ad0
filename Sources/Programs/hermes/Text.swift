import Foundation

/// Small formatting for tables.
enum Text {
    /// `value` with a fixed number of decimals.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }

    /// Right-aligned in `width` columns.
    static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// Bytes in decimal megabytes.
    static func megabytes(_ byteCount: Int) -> String {
        fixed(Double(byteCount) / 1e6, 1) + " MB"
    }

    /// A whole number with its thousands apart.
    static func grouped(_ value: Int) -> String {
        var digits = Array(String(value))
        var place = digits.count - 3
        while place > 0 {
            digits.insert(" ", at: place)
            place -= 3
        }
        return String(digits)
    }
}

extension Duration {
    /// In seconds, for results.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
