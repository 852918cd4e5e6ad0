// The only file of this module with raw pointers: CBC's handle, and arrays lent to it.

import CCbc
import Synchronization

/// Solves linear and mixed-integer programs with CBC: silently, on one thread, from a fixed seed.
///
/// Equal programs give equal answers unless a time limit cuts in. A mechanism and no policy,
/// because CBC's globals need a lock.
package struct CBCSolver: Sendable {
    /// Nodes of the search tree; the limit of choice, for it is the same on every machine.
    package let nodeLimit: Int
    /// Wall time; gives up determinism.
    package let secondLimit: Double?

    package init(nodeLimit: Int, secondLimit: Double? = nil) {
        self.nodeLimit = nodeLimit
        self.secondLimit = secondLimit
    }

    package struct ContinuousSolution: Equatable, Sendable {
        package let values: [Double]
        /// One a row.
        package let duals: [Double]
    }

    package struct IntegerSolution: Equatable, Sendable {
        /// The best point found, if any.
        package let values: [Double]?
        /// No point is below, within the solver's tolerances.
        package let bound: Double
        package let isOptimal: Bool
        package let isInfeasible: Bool
        package let nodeCount: Int
    }

    /// CBC keeps the state of its command reader in C globals, so solves must not overlap.
    private static let turn = Mutex(())

    /// Solves without regard to integrality.
    ///
    /// CBC's C interface has no row prices. Each row gets a column for its value instead, row -
    /// column = 0, whose reduced cost is the price.
    ///
    /// - Returns: nil when there is no solution, or the solver gives up.
    package func relaxation(of program: LinearProgram) -> ContinuousSolution? {
        Self.turn.withLock { _ in
            let model = CBCModel(program, rowsAsColumns: true)
            model.configure(nodeLimit: nodeLimit, secondLimit: secondLimit)
            guard model.solve(), model.isProvenOptimal else { return nil }
            let columnCount = program.columnCount
            let rowCount = program.rows.count
            return ContinuousSolution(
                values: model.values(0..<columnCount),
                duals: model.reducedCosts(columnCount..<columnCount + rowCount))
        }
    }

    /// Solves with integer columns.
    ///
    /// - Returns: nil when the solver breaks down.
    package func integerSolution(of program: LinearProgram) -> IntegerSolution? {
        Self.turn.withLock { _ in
            let model = CBCModel(program, rowsAsColumns: false)
            model.configure(nodeLimit: nodeLimit, secondLimit: secondLimit)
            guard model.solve() else { return nil }
            return IntegerSolution(
                values: model.bestValues(columnCount: program.columnCount), bound: model.bound,
                isOptimal: model.isProvenOptimal, isInfeasible: model.isProvenInfeasible,
                nodeCount: model.nodeCount)
        }
    }
}

/// Owns one of CBC's models.
@safe
private struct CBCModel: ~Copyable {
    private let handle: UnsafeMutableRawPointer

    deinit { unsafe Cbc_deleteModel(handle) }

    init(_ program: LinearProgram, rowsAsColumns: Bool) {
        guard let handle = unsafe Cbc_newModel() else { preconditionFailure("CBC: out of memory") }
        unsafe self.handle = unsafe handle
        let columns = ColumnForm(program, rowsAsColumns: rowsAsColumns)
        unsafe Cbc_loadProblem(
            handle, Int32(columns.costs.count), Int32(program.rows.count), columns.starts,
            columns.rowIndices, columns.coefficients, columns.lower, columns.upper, columns.costs,
            columns.rowLower, columns.rowUpper)
        for (column, isInteger) in program.isInteger.enumerated() where isInteger {
            if !rowsAsColumns { unsafe Cbc_setInteger(handle, Int32(column)) }
        }
    }

    func configure(nodeLimit: Int, secondLimit: Double?) {
        unsafe Cbc_setLogLevel(handle, 0)
        set("randomSeed", "1")
        set("randomCbcSeed", "1")
        set("threads", "0")
        unsafe Cbc_setAllowableGap(handle, 0)
        unsafe Cbc_setAllowableFractionGap(handle, 0)
        unsafe Cbc_setMaximumNodes(handle, Int32(clamping: nodeLimit))
        if let secondLimit { unsafe Cbc_setMaximumSeconds(handle, secondLimit) }
    }

    private func set(_ name: String, _ value: String) {
        unsafe Cbc_setParameter(handle, name, value)
    }

    /// - Returns: whether the search ended, by itself or at a limit, and not in numerical trouble.
    func solve() -> Bool {
        unsafe Cbc_solve(handle) >= 0 && Cbc_isAbandoned(handle) == 0
    }

    var isProvenOptimal: Bool { unsafe Cbc_isProvenOptimal(handle) == 1 }
    var isProvenInfeasible: Bool { unsafe Cbc_isProvenInfeasible(handle) == 1 }
    var bound: Double { unsafe Cbc_getBestPossibleObjValue(handle) }
    var nodeCount: Int { Int(unsafe Cbc_getNodeCount(handle)) }

    func values(_ range: Range<Int>) -> [Double] {
        guard let values = unsafe Cbc_getColSolution(handle) else { return [] }
        return range.map { unsafe values[$0] }
    }

    func reducedCosts(_ range: Range<Int>) -> [Double] {
        guard let costs = unsafe Cbc_getReducedCost(handle) else { return [] }
        return range.map { unsafe costs[$0] }
    }

    func bestValues(columnCount: Int) -> [Double]? {
        guard let values = unsafe Cbc_bestSolution(handle) else { return nil }
        return (0..<columnCount).map { unsafe values[$0] }
    }
}

/// A program column by column, as CBC takes it.
private struct ColumnForm {
    private(set) var starts: [Int32] = [0]
    private(set) var rowIndices: [Int32] = []
    private(set) var coefficients: [Double] = []
    private(set) var lower: [Double]
    private(set) var upper: [Double]
    private(set) var costs: [Double]
    private(set) var rowLower: [Double]
    private(set) var rowUpper: [Double]

    init(_ program: LinearProgram, rowsAsColumns: Bool) {
        var entries = [[(row: Int32, coefficient: Double)]](
            repeating: [], count: program.columnCount)
        for (index, row) in program.rows.enumerated() {
            for (column, coefficient) in zip(row.columns, row.coefficients) {
                entries[Int(column)].append((Int32(index), coefficient))
            }
        }
        lower = program.lower
        upper = program.upper
        costs = program.costs
        rowLower = program.rows.map { Self.finite($0.lower) }
        rowUpper = program.rows.map { Self.finite($0.upper) }
        if rowsAsColumns {
            for index in program.rows.indices { entries.append([(Int32(index), -1)]) }
            lower += rowLower
            upper += rowUpper
            costs += program.rows.map { _ in 0 }
            rowLower = program.rows.map { _ in 0 }
            rowUpper = rowLower
        }
        for column in entries {
            for entry in column {
                rowIndices.append(entry.row)
                coefficients.append(entry.coefficient)
            }
            starts.append(Int32(rowIndices.count))
        }
    }

    /// CBC's infinity is the largest finite number.
    private static func finite(_ bound: Double) -> Double {
        let largest = Double.greatestFiniteMagnitude
        return min(max(bound, -largest), largest)
    }
}
