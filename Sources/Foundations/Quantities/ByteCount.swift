/// An amount of memory or of data on a link, in bytes.
///
/// Reads and writes decimal (GB = 10⁹) and binary (GiB = 2³⁰) units; the two are never confused.
package struct ByteCount: Comparable, Hashable, Sendable {
    package static let zero = ByteCount(0)

    package let bytes: UInt64

    package init(_ bytes: UInt64) { self.bytes = bytes }

    /// Reads `24 GB`, `24 GiB`, `256 KiB`, `64 B`, exactly.
    package init(parsing text: String) throws(QuantityError) {
        let units = Self.decimalUnits + Self.binaryUnits + Self.aliases
        self.init(try DecimalText.count(text, units: units, smallest: "B"))
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.bytes < rhs.bytes }

    package static func + (lhs: Self, rhs: Self) -> Self { Self(lhs.bytes + rhs.bytes) }

    /// Traps when `rhs` is larger.
    package static func - (lhs: Self, rhs: Self) -> Self { Self(lhs.bytes - rhs.bytes) }

    package static func * (lhs: Self, rhs: UInt64) -> Self { Self(lhs.bytes * rhs) }

    package static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }

    package func checkedAdding(_ other: Self) -> Self? {
        let (sum, overflow) = bytes.addingReportingOverflow(other.bytes)
        return overflow ? nil : Self(sum)
    }

    package func checkedMultiplied(by factor: UInt64) -> Self? {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
        return overflow ? nil : Self(product)
    }
}

extension ByteCount: CustomStringConvertible {
    static let decimalUnits = [
        Unit("B", 1), Unit("KB", 1_000), Unit("MB", 1_000_000), Unit("GB", 1_000_000_000),
        Unit("TB", 1_000_000_000_000),
    ]
    static let binaryUnits = [
        Unit("KiB", 1 << 10), Unit("MiB", 1 << 20), Unit("GiB", 1 << 30), Unit("TiB", 1 << 40),
    ]
    static let aliases = [Unit("kB", 1_000)]

    /// For people: whole binary units where they are short (`32 GiB`), else four digits (`24 GB`).
    package var description: String {
        let unit = DecimalText.fitting(bytes, in: Self.decimalUnits)
        let decimal = "\(DecimalText.rounded(bytes, dividedBy: unit.factor)) \(unit.symbol)"
        let exact = exactDescription
        return exact.count <= decimal.count ? exact : decimal
    }

    /// With all decimals, in the unit that is shortest; reads back as the same value.
    package var exactDescription: String {
        let unit = DecimalText.fitting(bytes, in: Self.decimalUnits)
        let decimal = "\(DecimalText.exact(bytes, dividedBy: unit.factor)) \(unit.symbol)"
        let whole = Self.binaryUnits.last { bytes > 0 && bytes.isMultiple(of: $0.factor) }
        guard let whole else { return decimal }
        let binary = "\(bytes / whole.factor) \(whole.symbol)"
        return binary.count < decimal.count ? binary : decimal
    }
}
