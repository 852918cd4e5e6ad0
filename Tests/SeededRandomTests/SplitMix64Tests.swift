import SeededRandom
import Testing

/// The project's only source of randomness, against the published algorithm's output.
@Suite struct SplitMix64Tests {
    /// First outputs of Vigna's C program `splitmix64.c` for two seeds.
    @Test(arguments: [
        (
            UInt64(0),
            [
                0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F,
                0xF88B_B8A8_724C_81EC, 0x1B39_896A_51A8_749B,
            ] as [UInt64]
        ),
        (
            UInt64(1_234_567),
            [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973,
                9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ] as [UInt64]
        ),
    ])
    func `A seed gives the published numbers`(seed: UInt64, expected: [UInt64]) {
        var random = SplitMix64(seed: seed)
        #expect(expected.indices.map { _ in random.next() } == expected)
    }

    @Test func `The largest seed wraps around to the sequence of its successor`() {
        // The state after one step of seed s is s + the constant, modulo 2^64.
        var last = SplitMix64(seed: .max &- 0x9E37_79B9_7F4A_7C15 &+ 1)
        _ = last.next()
        var zero = SplitMix64(seed: 0)
        #expect(last.next() == zero.next())
    }

    @Test func `A copy goes on with the same numbers`() {
        var original = SplitMix64(seed: 5)
        _ = original.next()
        var copy = original
        #expect((0..<10).map { _ in copy.next() } == (0..<10).map { _ in original.next() })
    }

    @Test func `A unit interval is the upper 53 bits of a number`() {
        var numbers = SplitMix64(seed: 0)
        var fractions = numbers
        for _ in 0..<1000 {
            let fraction = fractions.nextUnitInterval()
            if fraction != Double(numbers.next() >> 11) / Double(1 << 53) || fraction >= 1 {
                Issue.record("\(fraction) is not the number's upper bits")
                return
            }
        }
    }

    @Test func `Unit intervals fill tenths evenly`() {
        var random = SplitMix64(seed: 99)
        var counts = [Int](repeating: 0, count: 10)
        for _ in 0..<100_000 { counts[Int(10 * random.nextUnitInterval())] += 1 }
        // Chi-square with 9 degrees of freedom exceeds 27.88 once in 1000 seeds.
        let statistic = counts.reduce(0.0) { $0 + (Double($1) - 10_000) * (Double($1) - 10_000) }
        #expect(statistic / 10_000 < 27.88)
    }
}
