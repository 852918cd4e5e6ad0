/// Why a text such as `25.6 GB/s` is not the quantity that was asked for.
///
/// Texts come from topology files and command lines, so all of these are errors of input.
package enum QuantityError: Error, Equatable, CustomStringConvertible {
    case empty
    /// What stands before the unit is not a plain decimal number (`25.6`; no exponent, no commas).
    case notANumber(String)
    case negative(String)
    /// A rate of zero never finishes anything.
    case zero(String)
    case missingUnit(String, allowed: [String])
    case unknownUnit(String, allowed: [String])
    /// The value is not a whole number of the smallest unit that is counted.
    case finerThan(String, smallest: String)
    /// The value does not fit the type, or lies above the type's natural bound.
    case tooLarge(String, largest: String)

    package var description: String {
        switch self {
        case .empty: "is empty"
        case .notANumber(let text): "'\(text)' is not a decimal number"
        case .negative(let text): "'\(text)' is negative"
        case .zero(let text): "'\(text)' is zero"
        case .missingUnit(let text, let allowed):
            "'\(text)' has no unit; allowed: \(allowed.joined(separator: ", "))"
        case .unknownUnit(let unit, let allowed):
            "unit '\(unit)' is not allowed here; allowed: \(allowed.joined(separator: ", "))"
        case .finerThan(let text, let smallest):
            "'\(text)' is not a whole number of \(smallest)"
        case .tooLarge(let text, let largest): "'\(text)' is above \(largest)"
        }
    }
}
