import LinearPrograms
import Quantities

/// How many neurons of each size a DIMM may take, so that in the end every neuron has a home.
///
/// Neurons of one size are interchangeable here, so packing them is a problem of a few integers.
struct HomeBudget {
    enum Outcome {
        case fits(HomeBudget)
        case infeasible(InfeasibilityReason)
    }

    private let sizeOfStep: [Int]
    private let neuronCountOfStep: [Int]
    /// Neurons without a home, [sizes].
    private var homeless: [Int]
    /// Neurons that a DIMM may still take, [sizes][DIMMs].
    private var room: [[Int]]

    /// Shares each DIMM's memory out among the sizes in proportion to their total; where whole
    /// neurons then do not fit, packs exactly.
    static func plan(
        _ problem: PartitionProblem, solver: CBCSolver
    ) throws(PartitionError) -> Outcome {
        let available = problem.dimms.reduce(into: UInt128(0)) { $0 += UInt128($1.memory.bytes) }
        let needed = problem.totalByteCount
        guard UInt128(needed.bytes) <= available else {
            return .infeasible(
                .dimmsTooSmall(needed: needed, available: ByteCount(UInt64(available))))
        }
        let sizes = Set(problem.steps.map(\.neuronByteCount.bytes)).sorted(by: >)
        let sizeOfStep = problem.steps.map { step in
            sizes.firstIndex(of: step.neuronByteCount.bytes) ?? 0
        }
        var counts = sizes.map { _ in 0 }
        for (step, size) in sizeOfStep.enumerated() {
            counts[size] += problem.steps[step].neuronCount
        }
        let memories = problem.dimms.map(\.memory.bytes)
        let packing = HomePacking(sizes: sizes, counts: counts, memories: memories)
        var room = packing.proportional()
        if room == nil { room = try packing.exact(solver) }
        guard let room else { return .infeasible(.neuronsDoNotPack) }
        return .fits(
            HomeBudget(
                sizeOfStep: sizeOfStep, neuronCountOfStep: problem.steps.map(\.neuronCount),
                homeless: counts, room: room))
    }

    /// How many neurons of `step` each DIMM may take: together at least all of them.
    func quotas(ofStep step: Int) -> [Int] {
        let size = sizeOfStep[step]
        let neuronCount = neuronCountOfStep[step]
        guard homeless[size] > 0 else { return room[size].map { _ in 0 } }
        var quotas: [Int] = []
        var fractions: [(dimm: Int, remainder: Int)] = []
        for (dimm, left) in room[size].enumerated() {
            let (quotient, remainder) = (left * neuronCount).quotientAndRemainder(
                dividingBy: homeless[size])
            quotas.append(quotient)
            fractions.append((dimm, remainder))
        }
        // The exact shares add up to enough; rounding them down may not.
        fractions.sort { ($1.remainder, $0.dimm) < ($0.remainder, $1.dimm) }
        let missing = max(0, neuronCount - quotas.reduce(0, +))
        for (dimm, _) in fractions.prefix(missing) { quotas[dimm] += 1 }
        return quotas
    }

    /// Notes that `homes` was decided for `step`, within its quotas.
    mutating func commit(_ homes: [UInt16], ofStep step: Int) {
        let size = sizeOfStep[step]
        for home in homes { room[size][Int(home)] -= 1 }
        homeless[size] -= homes.count
        precondition(room[size].allSatisfy { $0 >= 0 })
    }
}

/// Neurons of few sizes into DIMMs.
private struct HomePacking {
    /// Bytes of one neuron, descending.
    let sizes: [UInt64]
    /// Neurons, [sizes].
    let counts: [Int]
    /// Bytes, [DIMMs].
    let memories: [UInt64]

    /// - Returns: room, [sizes][DIMMs], or nil when rounding leaves neurons without a home.
    func proportional() -> [[Int]]? {
        let total = zip(sizes, counts).reduce(UInt128(0)) {
            $0 + UInt128($1.0) * UInt128($1.1)
        }
        var left = memories
        var room = zip(sizes, counts).map { size, count in
            memories.indices.map { dimm in
                guard total > 0, size > 0 else { return count }
                let share = UInt128(memories[dimm]) * UInt128(count) / total
                let granted = Int(min(share, UInt128(count)))
                left[dimm] -= UInt64(granted) * size
                return granted
            }
        }
        for (index, size) in sizes.enumerated() {
            var missing = counts[index] - room[index].reduce(0, +)
            while missing > 0 {
                let roomiest = left.indices.max { (left[$0], $1) < (left[$1], $0) } ?? 0
                guard left[roomiest] >= size else { return nil }
                left[roomiest] -= size
                room[index][roomiest] += 1
                missing -= 1
            }
        }
        return room
    }

    /// - Returns: room, [sizes][DIMMs], or nil when there is provably none.
    func exact(_ solver: CBCSolver) throws(PartitionError) -> [[Int]]? {
        let unit = sizes.reduce(0, Self.greatestCommonDivisor)
        var program = LinearProgram()
        let columns = counts.map { count in
            memories.map { _ in program.addColumn(0...Double(count), isInteger: true) }
        }
        for (index, count) in counts.enumerated() {
            let terms = columns[index].map { (column: $0, coefficient: 1.0) }
            program.addRow(terms, from: Double(count), to: Double(count))
        }
        for (dimm, memory) in memories.enumerated() {
            let terms = sizes.indices.map { index in
                (column: columns[index][dimm], coefficient: Double(sizes[index] / unit))
            }
            program.addRow(terms, to: Double(memory / unit))
        }
        guard let solution = solver.integerSolution(of: program) else {
            throw .solverFailed(stage: "packing neurons into DIMMs")
        }
        if solution.isInfeasible { return nil }
        guard let values = solution.values else {
            throw .solverFailed(stage: "packing neurons into DIMMs")
        }
        let room = columns.map { $0.map { Int(values[$0].rounded()) } }
        guard holds(room) else { throw .solverFailed(stage: "packing neurons into DIMMs") }
        return room
    }

    /// Checks in whole numbers what the solver found in floating point.
    private func holds(_ room: [[Int]]) -> Bool {
        let isComplete = zip(room, counts).allSatisfy { $0.reduce(0, +) == $1 }
        return isComplete
            && memories.indices.allSatisfy { dimm in
                let used = sizes.indices.reduce(UInt128(0)) {
                    $0 + UInt128(sizes[$1]) * UInt128(room[$1][dimm])
                }
                return used <= UInt128(memories[dimm])
            }
    }

    private static func greatestCommonDivisor(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var (first, second) = (first, second)
        while second > 0 { (first, second) = (second, first % second) }
        return first
    }
}
