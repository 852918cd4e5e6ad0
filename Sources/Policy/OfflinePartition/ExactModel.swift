import LinearPrograms
import Quantities

/// The partition problem neuron for neuron: equally frequent neurons of a step are a class, whose
/// members are interchangeable, and whole numbers say how many of them each unit gets.
///
/// Exact, and large: for small problems only.
struct ExactModel {
    struct Result {
        let partition: Partition?
        /// ps × samples, within the solver's tolerances.
        let lowerBound: Double
        let isOptimal: Bool
        let nodeCount: Int
    }

    private struct Class {
        let count: UInt64
        let ranks: Range<Int>
        let hot: Int
        /// [DIMMs]
        let cold: [Int]
    }

    private struct Step {
        let time: Int
        let classes: [Class]
        /// Homes of hot and of never active neurons, [DIMMs]; empty when memory does not matter.
        let otherHomes: [Int]
    }

    private let problem: PartitionProblem
    private let curves: [FrequencyCurve]
    private let unit: Double
    /// Whether some DIMM could not hold all neurons at once.
    private let memoryMatters: Bool
    private var program = LinearProgram()
    private var steps: [Step] = []

    /// How many integer columns the program would have.
    static func columnCount(problem: PartitionProblem, curves: [FrequencyCurve]) -> Int {
        curves.reduce(0) { sum, curve in
            sum + classes(of: curve).count * (1 + problem.dimms.count) + problem.dimms.count
        }
    }

    init(problem: PartitionProblem, curves: [FrequencyCurve], timings: [StepTiming]) {
        self.problem = problem
        self.curves = curves
        unit = max(timings.reduce(0.0) { $0 + $1.time(hotActivity: 0) }, 1)
        memoryMatters = problem.dimms.contains { $0.memory < problem.totalByteCount }
        for index in curves.indices { addStep(index, timing: timings[index]) }
        addMemories()
    }

    /// - Returns: nil when the solver breaks down.
    func solve(_ solver: CBCSolver) -> Result? {
        guard let solution = solver.integerSolution(of: program) else { return nil }
        let partition = solution.values.flatMap { try? self.partition($0) }
        // Without a point the solver's bound may be any number.
        let bound = solution.values == nil ? 0 : solution.bound * unit
        return Result(
            partition: partition, lowerBound: bound,
            isOptimal: solution.isOptimal, nodeCount: solution.nodeCount)
    }

    private static func classes(of curve: FrequencyCurve) -> [(UInt64, Range<Int>)] {
        var classes: [(UInt64, Range<Int>)] = []
        var first = 0
        while first < curve.neuronCount, curve.counts[first] > 0 {
            let count = UInt64(curve.counts[first])
            let end = curve.firstRank(withCountAtMost: count - 1, from: first)
            classes.append((count, first..<end))
            first = end
        }
        return classes
    }

    private mutating func addStep(_ index: Int, timing: StepTiming) {
        let time = program.addColumn(timing.floor / unit...timing.ceiling / unit, cost: 1)
        var classes: [Class] = []
        for (count, ranks) in Self.classes(of: curves[index]) {
            let size = 0...Double(ranks.count)
            let hot = program.addColumn(size, isInteger: true)
            let cold = problem.dimms.map { _ in program.addColumn(size, isInteger: true) }
            program.addRow(
                ([hot] + cold).map { ($0, 1) }, from: Double(ranks.count),
                to: Double(ranks.count))
            classes.append(Class(count: count, ranks: ranks, hot: hot, cold: cold))
        }
        let neuronCount = Double(curves[index].neuronCount)
        let otherHomes =
            memoryMatters
            ? problem.dimms.map { _ in program.addColumn(0...neuronCount, isInteger: true) } : []
        let step = Step(time: time, classes: classes, otherHomes: otherHomes)
        steps.append(step)
        addTimes(step, index: index, timing: timing)
        if memoryMatters {
            let silent = curves[index].neuronCount - (classes.last?.ranks.upperBound ?? 0)
            program.addRow(
                otherHomes.map { ($0, 1) } + classes.map { ($0.hot, -1) }, from: Double(silent),
                to: Double(silent))
        }
        program.addRow(
            classes.map { ($0.hot, 1) }, to: Double(problem.hotLimit(ofStep: index)))
    }

    private mutating func addTimes(_ step: Step, index: Int, timing: StepTiming) {
        let gpu = step.classes.map {
            (column: $0.hot, coefficient: -timing.gpuTime * Double($0.count) / unit)
        }
        program.addRow([(step.time, 1)] + gpu, from: timing.floor / unit)
        for (dimm, time) in problem.dimmPicoseconds[index].enumerated() {
            let load = step.classes.map {
                (column: $0.cold[dimm], coefficient: -Double(time) * Double($0.count) / unit)
            }
            program.addRow([(step.time, 1)] + load, from: 0)
        }
        // Identical DIMMs may be numbered by load: in each step where memory ties no steps
        // together, else in one.
        guard problem.dimmsAreIdentical, !memoryMatters || index == 0 else { return }
        let total = max(timing.activity, 1)
        for dimm in problem.dimms.indices.dropLast() {
            let terms = step.classes.flatMap {
                [
                    (column: $0.cold[dimm], coefficient: Double($0.count) / total),
                    (column: $0.cold[dimm + 1], coefficient: -Double($0.count) / total),
                ]
            }
            program.addRow(terms, from: 0)
        }
    }

    private mutating func addMemories() {
        let total = Double(max(problem.totalByteCount.bytes, 1))
        let shares = problem.steps.map { Double($0.neuronByteCount.bytes) / total }
        let hot = steps.indices.flatMap { index in
            steps[index].classes.map { (column: $0.hot, coefficient: shares[index]) }
        }
        program.addRow(hot, to: Double(problem.gpuMemory.bytes) / total)
        guard memoryMatters else { return }
        for (dimm, unit) in problem.dimms.enumerated() {
            let homes = steps.indices.flatMap { index in
                (steps[index].classes.map { $0.cold[dimm] } + [steps[index].otherHomes[dimm]])
                    .map { (column: $0, coefficient: shares[index]) }
            }
            program.addRow(homes, to: Double(unit.memory.bytes) / total)
        }
    }

    /// Gives the members of each class out in rank order.
    private func partition(_ values: [Double]) throws(PartitionError) -> Partition {
        var blocks: [Partition.Block] = []
        for (index, step) in steps.enumerated() {
            let curve = curves[index]
            var homes = [UInt16](repeating: 0, count: curve.neuronCount)
            var hotNeurons: [UInt32] = []
            var others = Array(curve.order[(step.classes.last?.ranks.upperBound ?? 0)...])
            for group in step.classes {
                var members = curve.order[group.ranks]
                let hot = members.prefix(Int(values[group.hot].rounded()))
                hotNeurons += hot
                others += hot
                members = members.dropFirst(hot.count)
                for (dimm, column) in group.cold.enumerated() {
                    let share = members.prefix(Int(values[column].rounded()))
                    for neuron in share { homes[Int(neuron)] = UInt16(dimm) }
                    members = members.dropFirst(share.count)
                }
            }
            var rest = others[...]
            for (dimm, column) in step.otherHomes.enumerated() {
                let share = rest.prefix(Int(values[column].rounded()))
                for neuron in share { homes[Int(neuron)] = UInt16(dimm) }
                rest = rest.dropFirst(share.count)
            }
            for (offset, neuron) in rest.enumerated() {
                homes[Int(neuron)] = UInt16(offset % problem.dimms.count)
            }
            blocks.append(Partition.Block(hotNeurons: hotNeurons.sorted(), homes: homes))
        }
        return try Partition(
            blocks: blocks, blocksPerLayer: problem.blocksPerLayer,
            dimmCount: problem.dimms.count)
    }
}
