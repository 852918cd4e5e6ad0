/// A linear program to be minimised, perhaps with integer columns; a value, without a solver.
package struct LinearProgram: Sendable {
    package struct Row: Sendable {
        package let columns: [Int32]
        package let coefficients: [Double]
        package let lower: Double
        package let upper: Double
    }

    package private(set) var lower: [Double] = []
    package private(set) var upper: [Double] = []
    package private(set) var costs: [Double] = []
    package private(set) var isInteger: [Bool] = []
    package private(set) var rows: [Row] = []

    package init() {}

    package var columnCount: Int { costs.count }

    /// - Precondition: bounds are finite.
    /// - Returns: the column's index.
    package mutating func addColumn(
        _ bounds: ClosedRange<Double>, cost: Double = 0, isInteger: Bool = false
    ) -> Int {
        precondition(bounds.lowerBound.isFinite && bounds.upperBound.isFinite)
        lower.append(bounds.lowerBound)
        upper.append(bounds.upperBound)
        costs.append(cost)
        self.isInteger.append(isInteger)
        return columnCount - 1
    }

    /// lower ≤ Σ coefficient × column ≤ upper.
    ///
    /// - Parameter terms: no column twice.
    package mutating func addRow(
        _ terms: [(column: Int, coefficient: Double)], from lower: Double = -.infinity,
        to upper: Double = .infinity
    ) {
        rows.append(
            Row(
                columns: terms.map { Int32($0.column) }, coefficients: terms.map(\.coefficient),
                lower: lower, upper: upper))
    }

    /// A lower bound of the minimum, whatever numbers `duals` holds: good ones make it tight.
    ///
    /// For any y: cost·x = Σⱼ (costⱼ - Σᵣ yᵣ aᵣⱼ) xⱼ + Σᵣ yᵣ (aᵣ·x); each term is replaced by its
    /// minimum over the column's or row's own bounds.
    ///
    /// - Parameter duals: one a row.
    /// - Source: Neumaier, Shcherbina, "Safe bounds in linear and mixed-integer linear
    ///   programming", Math. Programming 99, 2004.
    package func safeLowerBound(duals: [Double]) -> Double {
        precondition(duals.count == rows.count)
        var reducedCosts = costs
        var bound = 0.0
        var magnitude = 0.0
        for (row, dual) in zip(rows, duals) {
            let limit = dual > 0 ? row.lower : row.upper
            guard dual.isFinite, dual != 0, limit.isFinite else { continue }
            bound += dual * limit
            magnitude += abs(dual * limit)
            for (column, coefficient) in zip(row.columns, row.coefficients) {
                reducedCosts[Int(column)] -= dual * coefficient
            }
        }
        for (column, cost) in reducedCosts.enumerated() where cost != 0 {
            let term = cost * (cost > 0 ? lower[column] : upper[column])
            bound += term
            magnitude += abs(term)
        }
        // Room for the rounding of the sums above: under 2⁻⁵³ × terms of their magnitude.
        return bound - 1e-11 * magnitude
    }
}
