/// One point of a sweep.
package struct SweepRecord: Equatable, Sendable {
    /// Of each axis.
    package let values: [String]
    package let answer: EmulationAnswer
    /// What the point costs, in the unit of the sweep's cost; `nil` where that is unknown.
    package let cost: Double?

    package init(values: [String], answer: EmulationAnswer, cost: Double?) {
        self.values = values
        self.answer = answer
        self.cost = cost
    }

    package var figures: EmulationFigures? {
        if case .timed(let figures) = answer { return figures }
        return nil
    }

    package var tokensPerSecond: Double? { figures?.tokensPerSecond }
}

/// The points that no other beats: faster for as much, or as fast for less.
package enum ParetoFront {
    /// - Returns: whether each point is on the front, in their order; points without cost or
    ///   speed are not. Of equal points all are.
    package static func members(_ records: [SweepRecord]) -> [Bool] {
        records.map { record in
            guard let cost = record.cost, let speed = record.tokensPerSecond else { return false }
            return !records.contains { other in
                guard let otherCost = other.cost, let otherSpeed = other.tokensPerSecond else {
                    return false
                }
                return otherCost <= cost && otherSpeed >= speed
                    && (otherCost < cost || otherSpeed > speed)
            }
        }
    }
}

/// A sweep's figures.
package struct SweepCharts {
    package let axes: [SweepAxis]
    package let records: [SweepRecord]
    /// Of the cost axis.
    package let costLabel: String

    package init(axes: [SweepAxis], records: [SweepRecord], costLabel: String) {
        self.axes = axes
        self.records = records
        self.costLabel = costLabel
    }

    package var all: [Chart] {
        [speeds, pareto].filter { $0.series.contains { !$0.points.isEmpty } }
    }

    /// What the values of all axes but the first make of a series.
    private func seriesName(_ record: SweepRecord) -> String {
        zip(axes, record.values).dropFirst().map { "\($0.name) \($1)" }.joined(separator: ", ")
    }

    private var speeds: Chart {
        let axis = axes[0]
        let numbers = axis.numbers
        let places = numbers ?? axis.values.indices.map(Double.init)
        let names = PaperFigures.distinct(records.map(seriesName))
        // Doubling values are equally far apart on a logarithmic axis.
        let least = numbers?.min() ?? 0
        let isWide = least > 0 && (numbers?.max() ?? 0) >= 4 * least
        return Chart(
            name: "sweep", title: "Throughput by \(axis.name)",
            caption: "Emulated. Where there is no point, the system cannot run.",
            xLabel: axis.name, yLabel: "tokens/s", xBase: isWide ? 2 : 0,
            ticks: zip(places, axis.values).map { Chart.Tick($0, $1) },
            series: names.enumerated().map { index, name in
                Chart.Series(
                    name, style: numbers == nil ? .points : .line, colour: index,
                    points: records.filter { seriesName($0) == name }.compactMap { record in
                        guard let place = axis.values.firstIndex(of: record.values[0]),
                            let speed = record.tokensPerSecond
                        else { return nil }
                        return Chart.Point(places[place], speed)
                    })
            })
    }

    private var pareto: Chart {
        let isMember = ParetoFront.members(records)
        func points(_ wanted: Bool) -> [Chart.Point] {
            zip(records, isMember).compactMap { record, isMember in
                guard isMember == wanted, let cost = record.cost,
                    let speed = record.tokensPerSecond
                else { return nil }
                return Chart.Point(cost, speed)
            }
        }
        return Chart(
            name: "pareto", title: "Throughput against cost",
            caption: "On the line nothing is faster for as much, nor as fast for less.",
            xLabel: costLabel, yLabel: "tokens/s",
            series: [
                Chart.Series("beaten by another", style: .points, colour: 7, points: points(false)),
                Chart.Series(
                    "Pareto front", style: .line, colour: 0,
                    points: points(true).sorted { $0.x < $1.x }),
            ])
    }
}
