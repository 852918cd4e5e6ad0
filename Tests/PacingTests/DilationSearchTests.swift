import Pacing
import Quantities
import SeededRandom
import Testing

/// The choice of a dilation, against figures by hand and a search step by step.
@Suite struct DilationSearchTests {
    private func makeSearch(
        safety: UInt64 = 1_000, tolerance: UInt64 = 0, limit: UInt64 = 10_000
    ) -> DilationSearch {
        var search = DilationSearch()
        search.safetyThousandths = safety
        search.toleranceNanoseconds = tolerance
        search.limit = Proportion(millionths: limit)
        return search
    }

    private func role(_ name: String, _ steps: [(emulated: UInt64, wall: UInt64)]) -> RoleSamples {
        RoleSamples(
            role: name,
            steps: steps.map {
                StepSample(emulated: EmulatedDuration($0.emulated), wallNanoseconds: $0.wall)
            })
    }

    private func even(_ name: String, microseconds: UInt64, wall: UInt64) -> RoleSamples {
        role(name, Array(repeating: (microseconds * 1_000_000, wall), count: 1_000))
    }

    @Test func `Even steps need their own ratio, and the safety on top of it`() throws {
        let roles = [even("DIMM 0", microseconds: 10, wall: 35_000)]
        #expect(try makeSearch().choose(roles).dilation.thousandths == 3_500)
        let safe = try makeSearch(safety: 1_250).choose(roles)
        #expect(safe.dilation.thousandths == 4_375)
        #expect(safe.decidingRole == "DIMM 0")
        #expect(safe.expectedShare == 0)
    }

    /// 3 333.3 thousandths are rounded up, for one less lets every step be late.
    @Test func `The factor is rounded up to a thousandth`() throws {
        let roles = [even("DIMM 0", microseconds: 3, wall: 10_000)]
        let search = makeSearch(limit: 0)
        let dilation = try search.choose(roles).dilation
        #expect(dilation.thousandths == 3_334)
        #expect(search.overruns(of: roles[0], at: dilation).missed == 0)
        let less = Dilation(thousandths: dilation.thousandths - 1)
        #expect(search.overruns(of: roles[0], at: less).missed == 1_000)
    }

    @Test func `The slowest role decides`() throws {
        let roles = [
            even("coordinator", microseconds: 10, wall: 50_000),
            even("DIMM 0", microseconds: 10, wall: 20_000),
            even("DIMM 1", microseconds: 10, wall: 80_000),
        ]
        let choice = try makeSearch().choose(roles)
        #expect(choice.dilation.thousandths == 8_000)
        #expect(choice.decidingRole == "DIMM 1")
    }

    @Test func `A machine that is fast enough runs at the minimum`() throws {
        let choice = try makeSearch().choose([even("DIMM 0", microseconds: 10, wall: 9_000)])
        #expect(choice.dilation == .one)
        #expect(choice.decidingRole == nil)
        var search = makeSearch()
        search.minimum = Dilation(thousandths: 1)
        let faster = try search.choose([even("DIMM 0", microseconds: 10, wall: 9_000)])
        #expect(faster.dilation.thousandths == 900)
    }

    /// Steps of 10 µs; every hundredth takes 1 ms, the others 1 µs.
    @Test func `Steps up to the limit may be late, but lateness counts until it is made good`()
        throws
    {
        let steps = (0..<1_000).map {
            (UInt64(10_000_000), UInt64($0 % 100 == 50 ? 1_000_000 : 1_000))
        }
        let roles = [role("DIMM 0", steps)]
        let search = makeSearch()
        let dilation = try search.choose(roles).dilation
        // At 1 % only the slow step itself may be late: after the next one, 1 ms + 1 µs must fit
        // two steps, so a step lasts 500.5 µs.
        #expect(dilation.thousandths == 50_050)
        #expect(search.overruns(of: roles[0], at: dilation).missed == 10)
        let less = Dilation(thousandths: 50_049)
        #expect(search.overruns(of: roles[0], at: less).missed == 20)
    }

    @Test func `Lateness within the tolerance is no overrun`() throws {
        let roles = [role("DIMM 0", [(10_000_000, 110_000)])]
        #expect(try makeSearch(tolerance: 100_000).choose(roles).dilation == .one)
        #expect(try makeSearch(tolerance: 99_999).choose(roles).dilation.thousandths == 1_001)
    }

    @Test func `Without steps nothing is chosen`() throws {
        #expect(throws: PacingError.noSamples) { try makeSearch().choose([]) }
        #expect(throws: PacingError.noSamples) { try makeSearch().choose([role("DIMM 0", [])]) }
        let roles = [role("idle", []), even("DIMM 1", microseconds: 1, wall: 2_000)]
        #expect(try makeSearch().choose(roles).dilation.thousandths == 2_000)
    }

    @Test func `A role whose time stands still has no dilation`() {
        let roles = [even("coordinator", microseconds: 0, wall: 1_000)]
        #expect(throws: PacingError.noDilation(role: "coordinator", maximum: .maximum)) {
            try makeSearch().choose(roles)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `The choice equals a search thousandth by thousandth`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let steps = (0..<500).map { _ in
            (1_000_000 + random.next() % 20_000_000, random.next() % 60_000)
        }
        let roles = [role("DIMM 0", steps)]
        let search = makeSearch(safety: 1_100, tolerance: 5_000)
        let chosen = try search.choose(roles).dilation
        let first = (1_000...Dilation.maximum.thousandths).first { thousandths in
            search.overruns(of: roles[0], at: Dilation(thousandths: thousandths))
                .isWithin(search.limit)
        }
        #expect(chosen.thousandths == first)
        #expect(try search.choose(roles) == search.choose(roles))
    }

    @Test func `The largest samples do not overflow`() throws {
        let roles = [role("DIMM 0", Array(repeating: (.max, .max), count: 1_000))]
        #expect(
            try makeSearch(safety: 1_000_000).choose(roles).dilation.thousandths == 1_000_000_000)
    }
}
