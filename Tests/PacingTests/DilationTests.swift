import Pacing
import Quantities
import Testing

/// The factor between emulated and wall time.
@Suite struct DilationTests {
    @Test(
        arguments: [
            ("1", 1_000), ("4", 4_000), ("2.125", 2_125), ("0.001", 1), ("2.5", 2_500),
            ("007", 7_000), ("1000000", 1_000_000_000),
        ] as [(String, UInt64)])
    func `Plain decimals are read exactly`(text: String, thousandths: UInt64) throws {
        let dilation = try Dilation(parsing: text)
        #expect(dilation.thousandths == thousandths)
        #expect(try Dilation(parsing: dilation.description) == dilation)
    }

    @Test(arguments: [
        "", "0", "0.000", "1.0001", "-1", "+1", "1.", ".5", "1.2.3", "1e3", "auto", "1000000.001",
        "99999999", "1,5", " 1", "٣",
    ])
    func `Anything else is refused`(text: String) {
        #expect(throws: PacingError.self) { try Dilation(parsing: text) }
    }

    @Test func `A factor is shown without trailing zeros`() {
        #expect(Dilation(thousandths: 2_500).description == "2.5")
        #expect(Dilation(thousandths: 12_000).description == "12")
        #expect(Dilation(thousandths: 1).description == "0.001")
    }

    /// By hand: picoseconds × thousandths ÷ 1 000 000, rounded up.
    @Test(
        arguments: [
            (0, 1_000, 0), (1, 1_000, 1), (1_000, 1_000, 1), (1_001, 1_000, 2),
            (1_000_000, 2_125, 2_125),
            (1_000_000, 1, 1), (1_000_001, 1, 2),
        ] as [(UInt64, UInt64, UInt64)])
    func `Wall time is rounded up`(picoseconds: UInt64, thousandths: UInt64, nanoseconds: UInt64) {
        let dilation = Dilation(thousandths: thousandths)
        #expect(dilation.wallNanoseconds(of: EmulatedDuration(picoseconds)) == nanoseconds)
    }

    @Test func `Wall time beyond 64 bits is nil`() {
        #expect(Dilation.one.wallNanoseconds(of: EmulatedDuration(.max)) != nil)
        #expect(Dilation.maximum.wallNanoseconds(of: EmulatedDuration(.max)) == nil)
    }

    @Test func `A measured wall span is divided by the factor`() {
        let seconds = Dilation(thousandths: 4_000).emulatedSeconds(ofWall: .seconds(2))
        #expect(abs(seconds - 0.5) < 1e-12)
    }
}
