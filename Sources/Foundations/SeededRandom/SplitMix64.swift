/// Steele, Lea and Flood's SplitMix64 (OOPSLA '14): the same seed gives the same run anywhere.
///
/// Everything random in the project draws from one of these, with its seed in the results. Public,
/// unlike what the package shares otherwise: the compiler inlines only public bodies across
/// modules, and a synthetic text draws hundreds of millions.
@frozen public struct SplitMix64: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    @inlinable public init(seed: UInt64) { state = seed }

    @inlinable public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1), 53 bits.
    package mutating func nextUnitInterval() -> Double { Double(next() >> 11) * 0x1p-53 }
}
