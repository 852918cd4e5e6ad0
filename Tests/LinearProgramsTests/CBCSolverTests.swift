import LinearPrograms
import SeededRandom
import Testing

/// The solver: right, silent, repeatable, and honest about failure.
@Suite struct CBCSolverTests {
    private let solver = CBCSolver(nodeLimit: 1000)

    /// max 5a + 4b, 6a + 4b ≤ 24, a + 2b ≤ 6: a = 3, b = 1.5, value 21; whole, 20 at (4, 0).
    private func textbook(isInteger: Bool) -> LinearProgram {
        var program = LinearProgram()
        let a = program.addColumn(0...10, cost: -5, isInteger: isInteger)
        let b = program.addColumn(0...10, cost: -4, isInteger: isInteger)
        program.addRow([(a, 6), (b, 4)], to: 24)
        program.addRow([(a, 1), (b, 2)], to: 6)
        return program
    }

    @Test func `A textbook program has its textbook solution and prices`() throws {
        let program = textbook(isInteger: false)
        let solution = try #require(solver.relaxation(of: program))
        #expect(abs(solution.values[0] - 3) < 1e-6)
        #expect(abs(solution.values[1] - 1.5) < 1e-6)
        #expect(abs(solution.duals[0] - -0.75) < 1e-6)
        #expect(abs(solution.duals[1] - -0.5) < 1e-6)
        #expect(abs(program.safeLowerBound(duals: solution.duals) - -21) < 1e-6)
    }

    @Test func `Whole numbers cost more, and the relaxation forgets them`() throws {
        let program = textbook(isInteger: true)
        let solution = try #require(solver.integerSolution(of: program))
        #expect(solution.isOptimal)
        #expect(!solution.isInfeasible)
        #expect(solution.values == [4, 0])
        #expect(abs(solution.bound - -20) < 1e-6)
        let relaxation = try #require(solver.relaxation(of: program))
        #expect(abs(relaxation.values[1] - 1.5) < 1e-6)
    }

    @Test(arguments: [[0, 0], [-0.75, -0.5], [5, -3], [-100, 1e9], [.nan, .infinity]])
    func `Any prices give a valid bound`(duals: [Double]) {
        let program = textbook(isInteger: false)
        let bound = program.safeLowerBound(duals: duals)
        #expect(bound <= -21 + 1e-9)
        #expect(bound >= -1e12)
    }

    @Test func `A contradiction is infeasible`() throws {
        var program = LinearProgram()
        let column = program.addColumn(0...1, cost: 1, isInteger: true)
        program.addRow([(column, 1)], from: 2)
        #expect(solver.relaxation(of: program) == nil)
        let solution = try #require(solver.integerSolution(of: program))
        #expect(solution.isInfeasible)
        #expect(!solution.isOptimal)
        #expect(solution.values == nil)
    }

    @Test func `Columns without bounds trap`() async {
        await #expect(processExitsWith: .failure) {
            var program = LinearProgram()
            _ = program.addColumn(0...Double.infinity)
        }
    }

    /// Thirty things of similar density into one knapsack: branching is needed.
    private static func knapsack() -> LinearProgram {
        var program = LinearProgram()
        let columns = (0..<30).map {
            program.addColumn(0...1, cost: -Double(31 + $0 * 17 % 30), isInteger: true)
        }
        program.addRow(
            columns.enumerated().map { ($1, Double(40 + $0 * 23 % 31)) }, to: 777)
        return program
    }

    @Test func `A search stopped by its limit has a bound, and claims no optimum`() throws {
        let program = Self.partitioning(seed: 1)
        let stopped = try #require(CBCSolver(nodeLimit: 1).integerSolution(of: program))
        #expect(!stopped.isOptimal)
        #expect(!stopped.isInfeasible)
        let finished = try #require(
            CBCSolver(nodeLimit: 1_000_000).integerSolution(of: program))
        #expect(finished.isOptimal)
        #expect(finished.nodeCount > 1)
        #expect(stopped.bound <= finished.bound + 1e-7)
    }

    /// Twelve numbers into two halves as even as can be; relaxed, any are.
    private static func partitioning(seed: UInt64) -> LinearProgram {
        var random = SplitMix64(seed: seed)
        let sizes = (0..<12).map { _ in 1 + random.nextUnitInterval() }
        var program = LinearProgram()
        let larger = program.addColumn(0...24, cost: 1)
        let isLeft = sizes.map { _ in program.addColumn(0...1, isInteger: true) }
        let terms = zip(isLeft, sizes).map { (column: $0, coefficient: $1) }
        program.addRow(terms + [(larger, -1)], to: 0)
        program.addRow(terms + [(larger, 1)], from: sizes.reduce(0, +))
        return program
    }

    @Test func `Equal programs have equal solutions, alone and at once`() async throws {
        let program = Self.knapsack()
        let solver = solver
        let first = try #require(solver.integerSolution(of: program))
        let relaxed = try #require(solver.relaxation(of: program))
        let others = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    solver.integerSolution(of: program) == first
                        && solver.relaxation(of: program) == relaxed
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(others == Array(repeating: true, count: 6))
    }

    @Test func `Solving prints nothing`() async throws {
        let result = try await #require(
            processExitsWith: .success,
            observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            for nodeLimit in [1, 1000] {
                let solver = CBCSolver(nodeLimit: nodeLimit, secondLimit: 60)
                for program in [Self.knapsack(), Self.partitioning(seed: 1)] {
                    _ = solver.integerSolution(of: program)
                    _ = solver.relaxation(of: program)
                }
            }
        }
        #expect(result.standardOutputContent.isEmpty)
        #expect(result.standardErrorContent.isEmpty)
    }
}
