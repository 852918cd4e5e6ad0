import LinearPrograms
import Quantities

/// The partition problem as a small linear program whose minimum no partition undercuts.
///
/// A step has three columns: its time T, its hot activity h, its hot neurons n. What n neurons can
/// do at most is a concave curve; a few of its segments, prolonged, stand for it. Between two of
/// them lies a class of neurons, known by its highest and lowest frequency only. Classes are split
/// where the solution falls into one, until the program is exact there.
struct RelaxedModel {
    struct Result {
        /// Hot activity of each step, activations.
        let hotActivity: [Double]
        /// ps × samples.
        let lowerBound: Double
        let roundCount: Int
        let columnCount: Int
        let rowCount: Int
    }

    private let problem: PartitionProblem
    private let curves: [FrequencyCurve]
    private let timings: [StepTiming]
    /// Ranks whose segments bound the curve, [steps].
    private var segments: [[Int]]
    /// The program's unit of time, ps × samples.
    private let unit: Double

    private struct StepColumns {
        let step: Int
        let time: Int
        let activity: Int
        let neurons: Int
    }

    init(problem: PartitionProblem, curves: [FrequencyCurve], timings: [StepTiming]) {
        self.problem = problem
        self.curves = curves
        self.timings = timings
        segments = curves.map { curve in
            guard curve.total > 0 else { return [] }
            // The curve bends most at its beginning: classes double in size.
            var ranks: [Int] = []
            var rank = curve.neuronCount - 1
            while rank > 0 {
                ranks.append(rank)
                rank = rank / 2
            }
            return ranks + [0]
        }
        let allCold = timings.reduce(0.0) { $0 + $1.time(hotActivity: 0) }
        unit = max(allCold / Double(timings.count), 1)
    }

    /// Solves and refines.
    ///
    /// - Throws: when the solver breaks down.
    mutating func solve(_ solver: CBCSolver) throws(PartitionError) -> Result {
        var hotActivity = timings.map { _ in 0.0 }
        var bestBound = -Double.infinity
        for round in 1...Self.roundLimit {
            let (program, steps) = makeProgram()
            let idle = timings.indices.reduce(0.0) {
                $0 + (curves[$1].total == 0 ? timings[$1].floor : 0)
            }
            guard !steps.isEmpty else {
                return Result(
                    hotActivity: hotActivity, lowerBound: idle, roundCount: 0, columnCount: 0,
                    rowCount: 0)
            }
            guard let solution = solver.relaxation(of: program) else {
                throw .solverFailed(stage: "solving the relaxation")
            }
            let bound = program.safeLowerBound(duals: solution.duals) * unit + idle
            bestBound = max(bestBound, bound)
            var isExact = true
            for step in steps {
                let activity = solution.values[step.activity] * timings[step.step].activity
                let neurons =
                    solution.values[step.neurons] * Double(curves[step.step].neuronCount)
                hotActivity[step.step] = activity
                if refine(step.step, activity: activity, neurons: neurons) { isExact = false }
            }
            if isExact || round == Self.roundLimit {
                return Result(
                    hotActivity: hotActivity, lowerBound: bestBound, roundCount: round,
                    columnCount: program.columnCount, rowCount: program.rows.count)
            }
        }
        preconditionFailure("the last round returns")
    }

    /// Each round splits a class of each step; classes of ten thousands need few.
    private static let roundLimit = 24

    /// How far above the curve, as a share of all activity, a solution is exact enough: the
    /// bound is loose by no more than about this share.
    private static let slack = 1e-5

    /// Adds the segment at `neurons` if the solution lies above the curve there.
    private mutating func refine(_ step: Int, activity: Double, neurons: Double) -> Bool {
        let curve = curves[step]
        let rank = min(max(0, Int(neurons)), curve.neuronCount - 1)
        let most = Double(curve.sum(rank)) + Double(curve.counts[rank]) * (neurons - Double(rank))
        guard activity > most + Self.slack * Double(curve.total), !segments[step].contains(rank)
        else {
            return false
        }
        segments[step].append(rank)
        return true
    }

    private func makeProgram() -> (LinearProgram, [StepColumns]) {
        var program = LinearProgram()
        var steps: [StepColumns] = []
        for (index, timing) in timings.enumerated() where curves[index].total > 0 {
            let neuronCount = Double(curves[index].neuronCount)
            let limit = Double(problem.hotLimit(ofStep: index)) / neuronCount
            let columns = StepColumns(
                step: index,
                time: program.addColumn(
                    timing.leastTime / unit...timing.ceiling / unit, cost: 1),
                activity: program.addColumn(0...1), neurons: program.addColumn(0...limit))
            steps.append(columns)
            addTimes(of: timing, columns, to: &program)
            for rank in segments[index] {
                let slope = Double(curves[index].counts[rank])
                let start = Double(curves[index].sum(rank)) - slope * Double(rank)
                program.addRow(
                    [
                        (columns.activity, 1),
                        (columns.neurons, -slope * neuronCount / timing.activity),
                    ], to: start / timing.activity)
            }
        }
        addMemory(steps, to: &program)
        return (program, steps)
    }

    private func addTimes(
        of timing: StepTiming, _ columns: StepColumns, to program: inout LinearProgram
    ) {
        program.addRow(
            [(columns.time, 1), (columns.activity, -timing.gpuTime * timing.activity / unit)],
            from: timing.floor / unit)
        let allCold = timing.pooledDIMMTime * timing.activity / unit
        program.addRow([(columns.time, 1), (columns.activity, allCold)], from: allCold)
    }

    private func addMemory(_ steps: [StepColumns], to program: inout LinearProgram) {
        let total = problem.totalByteCount.bytes
        guard total > problem.gpuMemory.bytes else { return }
        let terms = steps.map { columns in
            let step = problem.steps[columns.step]
            let bytes = step.neuronByteCount.bytes * UInt64(step.neuronCount)
            return (column: columns.neurons, coefficient: Double(bytes) / Double(total))
        }
        program.addRow(terms, to: Double(problem.gpuMemory.bytes) / Double(total))
    }
}
