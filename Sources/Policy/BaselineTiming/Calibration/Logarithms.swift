/// Logarithm and exponential from the four operations, which IEEE 754 fixes to the bit: the same
/// calibration on any machine, which those of a C library do not promise.
package enum Logarithms {
    private static let logarithmOf2 = 0.693147180559945309

    /// Natural logarithm, to about 1e-15 of the result or of one.
    ///
    /// ln(2ᵉ m) = e ln 2 + 2 atanh((m - 1) / (m + 1)), m between √½ and √2, as a power series.
    ///
    /// - Precondition: `value` is above zero and finite.
    package static func natural(_ value: Double) -> Double {
        precondition(value > 0)
        precondition(value.isFinite)
        var mantissa = value.significand
        var exponent = Double(value.exponent)
        if mantissa > 1.4142135623730951 {
            mantissa /= 2
            exponent += 1
        }
        let ratio = (mantissa - 1) / (mantissa + 1)
        let square = ratio * ratio
        // |ratio| is below 0.172: 12 terms leave less than 1e-18.
        var sum = 0.0
        for term in (0..<12).reversed() { sum = sum * square + 1 / Double(2 * term + 1) }
        return exponent * logarithmOf2 + 2 * ratio * sum
    }

    /// e to the power of `exponent`, to about 1e-14 of the result.
    ///
    /// eˣ = 2ᵏ eʳ with |r| at most ½ ln 2, as a power series.
    ///
    /// - Precondition: the magnitude of `exponent` is at most 700.
    package static func exponential(_ exponent: Double) -> Double {
        precondition(exponent.magnitude <= 700)
        let power = (exponent / logarithmOf2).rounded()
        let rest = exponent - power * logarithmOf2
        var sum = 1.0
        for term in (1...18).reversed() { sum = 1 + sum * rest / Double(term) }
        return sum * Double(sign: .plus, exponent: Int(power), significand: 1)
    }
}
