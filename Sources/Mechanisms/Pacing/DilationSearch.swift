package import Quantities

/// One step of a role, measured on this machine: from one instant waited for to the next.
package struct StepSample: Hashable, Sendable {
    /// How far the step's deadline lies after the one before it.
    package let emulated: EmulatedDuration
    /// What the machine needed for the step, waits for other roles excluded.
    package let wallNanoseconds: UInt64

    package init(emulated: EmulatedDuration, wallNanoseconds: UInt64) {
        self.emulated = emulated
        self.wallNanoseconds = wallNanoseconds
    }
}

/// One role's steps in their order. Measure all roles at once, as they will run: a core that two
/// of them share makes both slow.
package struct RoleSamples: Hashable, Sendable {
    package let role: String
    package let steps: [StepSample]

    package init(role: String, steps: [StepSample]) {
        self.role = role
        self.steps = steps
    }
}

/// Picks the dilation of a paced run from measured steps: the smallest at which every role, by
/// itself, misses at most a given share of its deadlines.
///
/// Replays each role's steps against the absolute schedule, as ``PacedClock`` will hold it: a
/// step begins when the one before is done and its deadline is over, lateness carries over into
/// the next step until slack makes it good, and a deadline is missed when the role is later than
/// the tolerance. More dilation never makes any step later, so a binary search finds the least
/// thousandth. Integers throughout: equal samples give the equal factor on every machine.
///
/// Safety: each step is taken to need `safety` times what was measured (a quarter more, unless
/// told otherwise), because a run meets noise that a short measurement did not. The chosen factor
/// keeps the limit even if every single step is that much slower.
package struct DilationSearch: Sendable {
    /// The share of deadlines that each role may miss.
    package var limit = Proportion(millionths: 10_000)
    /// The lateness that the run's clocks will tolerate.
    package var toleranceNanoseconds: UInt64 = 100_000
    /// By how much measured steps are lengthened, in thousandths; from 1 000 to 1 000 000.
    package var safetyThousandths: UInt64 = 1_250
    /// Not below this, however fast the machine.
    package var minimum = Dilation.one

    package init() {}

    package struct Choice: Hashable, Sendable {
        package let dilation: Dilation
        /// The role that needs it; nil when the minimum suffices for all.
        package let decidingRole: String?
        /// The largest share of missed deadlines that any role has at it, safety included.
        package let expectedShare: Double
    }

    /// - Throws: ``PacingError/noSamples``, ``PacingError/noDilation(role:maximum:)`` (a role whose
    ///   deadlines do not move, for instance).
    package func choose(_ roles: [RoleSamples]) throws(PacingError) -> Choice {
        precondition((1_000...1_000_000).contains(safetyThousandths))
        let measured = roles.filter { !$0.steps.isEmpty }
        guard !measured.isEmpty else { throw .noSamples }
        var dilation = minimum
        var deciding: String?
        for role in measured where !keepsLimit(role, at: dilation) {
            guard keepsLimit(role, at: .maximum) else {
                throw .noDilation(role: role.role, maximum: .maximum)
            }
            dilation = leastDilation(for: role, above: dilation)
            deciding = role.role
        }
        let shares = measured.map { overruns(of: $0, at: dilation).share }
        return Choice(
            dilation: dilation, decidingRole: deciding, expectedShare: shares.max() ?? 0)
    }

    /// The least that keeps the limit, when `failing` does not and the maximum does.
    private func leastDilation(for role: RoleSamples, above failing: Dilation) -> Dilation {
        var tooSmall = failing.thousandths
        var enough = Dilation.maximum.thousandths
        while enough - tooSmall > 1 {
            let middle = tooSmall + (enough - tooSmall) / 2
            if keepsLimit(role, at: Dilation(thousandths: middle)) {
                enough = middle
            } else {
                tooSmall = middle
            }
        }
        return Dilation(thousandths: enough)
    }

    private func keepsLimit(_ role: RoleSamples, at dilation: Dilation) -> Bool {
        overruns(of: role, at: dilation).isWithin(limit)
    }

    /// Replays a role at a dilation; lengthened by the safety.
    package func overruns(of role: RoleSamples, at dilation: Dilation) -> OverrunCount {
        var count = OverrunCount()
        // In millionths of a nanosecond: picoseconds × thousandths, exactly. A step's terms stay
        // below 2⁹⁵, so that 2³² steps cannot overflow.
        let tolerance = UInt128(toleranceNanoseconds) * 1_000_000
        var lateness: UInt128 = 0
        var worst: UInt128 = 0
        for step in role.steps {
            let needed = UInt128(step.wallNanoseconds) * UInt128(safetyThousandths) * 1_000
            let given = UInt128(step.emulated.picoseconds) * UInt128(dilation.thousandths)
            let end = lateness + needed
            lateness = end > given ? end - given : 0
            count.deadlines += 1
            if lateness > tolerance { count.missed += 1 }
            worst = max(worst, lateness)
        }
        count.worstLateness = .nanoseconds(Int64(clamping: (worst + 999_999) / 1_000_000))
        return count
    }
}
