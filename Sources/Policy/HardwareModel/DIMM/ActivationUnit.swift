package import Quantities
package import Topology

/// The unit beside the multipliers that applies softmax and ReLU and adds partial sums.
///
/// Every step of an operation streams its elements through one kind of unit, as many in a cycle
/// as there are units; steps follow each other. The depth of the trees is left out, as the paper
/// does not give it.
///
/// - Source: arXiv 2502.16963, section IV: 256 FP16 exponential, add and multiply units, a
///   comparator tree, an adder tree and a divider. The trees are as wide as the adders.
package struct ActivationUnit: Hashable, Sendable {
    package let clock: Frequency
    package let exponentialUnitCount: Int
    package let adderCount: Int
    package let multiplierCount: Int

    /// - Precondition: all counts are above zero.
    package init(
        clock: Frequency, exponentialUnitCount: Int, adderCount: Int, multiplierCount: Int
    ) {
        precondition(exponentialUnitCount > 0)
        precondition(adderCount > 0)
        precondition(multiplierCount > 0)
        self.clock = clock
        self.exponentialUnitCount = exponentialUnitCount
        self.adderCount = adderCount
        self.multiplierCount = multiplierCount
    }

    package init(_ unit: Topology.ActivationUnit) {
        self.init(
            clock: unit.clock, exponentialUnitCount: unit.exponentialUnitCount,
            adderCount: unit.adderCount, multiplierCount: unit.multiplierCount)
    }

    /// Softmax over each of `rowCount` rows of `length` scores.
    ///
    /// Equation, in cycles a row: ⌈n/A⌉ for the maximum (comparator tree), ⌈n/A⌉ to subtract it,
    /// ⌈n/E⌉ exponentials, ⌈n/A⌉ to sum (adder tree), 1 for the reciprocal (divider) and ⌈n/M⌉
    /// to scale; A adders, E exponential units, M multipliers.
    package func softmaxDuration(rowCount: Int, length: Int) -> EmulatedDuration {
        precondition(rowCount >= 0)
        precondition(length > 0)
        let perRow =
            3 * cycles(length, adderCount) + cycles(length, exponentialUnitCount)
            + cycles(length, multiplierCount) + 1
        return clock.duration(ofCycles: UInt64(rowCount) * perRow)
    }

    /// ReLU of `elementCount` values: one comparison each, ⌈n/A⌉ cycles.
    package func reluDuration(elementCount: Int) -> EmulatedDuration {
        clock.duration(ofCycles: cycles(elementCount, adderCount))
    }

    /// SiLU times a second factor of `elementCount` values: ⌈n/E⌉ exponentials, ⌈n/A⌉ additions,
    /// and ⌈n/M⌉ cycles each for the division (by reciprocal) and the two products.
    package func siluDuration(elementCount: Int) -> EmulatedDuration {
        clock.duration(
            ofCycles: cycles(elementCount, exponentialUnitCount)
                + cycles(elementCount, adderCount) + 3 * cycles(elementCount, multiplierCount))
    }

    /// Sum of `vectorCount` vectors of `length` elements: vectors - 1 additions of ⌈n/A⌉ cycles.
    package func mergeDuration(vectorCount: Int, length: Int) -> EmulatedDuration {
        precondition(vectorCount > 0)
        return clock.duration(ofCycles: UInt64(vectorCount - 1) * cycles(length, adderCount))
    }

    private func cycles(_ elementCount: Int, _ unitCount: Int) -> UInt64 {
        precondition(elementCount >= 0)
        return UInt64(elementCount).dividedRoundingUp(by: UInt64(unitCount))
    }
}
