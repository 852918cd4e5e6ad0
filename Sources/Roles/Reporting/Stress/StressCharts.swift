/// One cell of a stress test's matrix, as its figures need it.
package struct StressPoint: Equatable, Sendable {
    package let workload: String
    package let topology: String
    package let dimmCount: Int
    package let policy: String
    /// The slowest DIMMs' time over perfect division's; `nil` where the cell did not run.
    package let overPerfect: Double?
    package let layerMicroseconds: Double?
    package let boundMicroseconds: Double?
    /// Of each token.
    package let imbalances: [Double]

    package init(
        workload: String, topology: String, dimmCount: Int, policy: String, overPerfect: Double?,
        layerMicroseconds: Double?, boundMicroseconds: Double?, imbalances: [Double]
    ) {
        self.workload = workload
        self.topology = topology
        self.dimmCount = dimmCount
        self.policy = policy
        self.overPerfect = overPerfect
        self.layerMicroseconds = layerMicroseconds
        self.boundMicroseconds = boundMicroseconds
        self.imbalances = imbalances
    }
}

/// Figures of a stress test: balance and layer time by workload and machine, and how imbalance
/// goes on from token to token.
package struct StressCharts {
    package let points: [StressPoint]
    /// Whether layer times are emulated, else wall.
    package let isEmulated: Bool
    /// With several, the tokens of one are not in the order of time with those of another.
    package let sessionCount: Int

    package init(points: [StressPoint], isEmulated: Bool, sessionCount: Int = 1) {
        self.points = points
        self.isEmulated = isEmulated
        self.sessionCount = sessionCount
    }

    package var all: [Chart] {
        ([balance, layerTimes] + (sessionCount == 1 ? courses : []))
            .filter { $0.series.contains { !$0.points.isEmpty } }
    }

    private var policies: [String] { PaperFigures.distinct(points.map(\.policy)) }
    private var groups: [String] { PaperFigures.distinct(points.map(group)) }
    private var workloads: [String] { PaperFigures.distinct(points.map(\.workload)) }

    /// A group of bars: a workload, and the machine where several are compared.
    private func group(_ point: StressPoint) -> String {
        let machines = PaperFigures.distinct(points.map(\.topology))
        guard machines.count > 1 else { return point.workload }
        let counts = Set(points.map { "\($0.topology) \($0.dimmCount)" }).count
        let hasOwnCounts = Set(points.map(\.dimmCount)).count == counts
        return "\(point.workload) \(hasOwnCounts ? "\(point.dimmCount)" : point.topology)"
    }

    private func bars(_ value: (StressPoint) -> Double?) -> [GroupedBars.Bar] {
        policies.enumerated().map { index, policy in
            GroupedBars.Bar(
                title: policy, colour: index, isPale: false,
                values: groups.map { group in
                    points.first { $0.policy == policy && self.group($0) == group }
                        .flatMap(value)
                })
        }
    }

    private var balance: Chart {
        let bars = GroupedBars(groups: groups, bars: bars(\.overPerfect))
        return Chart(
            name: "stress-balance",
            title: "Slowest DIMM over perfect division, by workload and number of DIMMs",
            caption: "Over all QKV and MLP steps; 1 cannot be beaten.", xLabel: "",
            yLabel: "slowest DIMM / perfect division", ticks: bars.ticks, series: bars.series)
    }

    private var layerTimes: Chart {
        let bound = GroupedBars.Bar(
            title: "perfect division", colour: 7, isPale: true,
            values: groups.map { group in
                points.filter { self.group($0) == group }.compactMap(\.boundMicroseconds).min()
            })
        let bars = GroupedBars(
            groups: groups, bars: bars(\.layerMicroseconds) + (isEmulated ? [bound] : []))
        return Chart(
            name: "stress-layer-time",
            title: "\(isEmulated ? "Emulated" : "Wall") time of a layer, mean",
            caption: "QKV, attention, projection and MLP, with messages.", xLabel: "",
            yLabel: "microseconds", ticks: bars.ticks, series: bars.series)
    }

    /// One chart for each workload, on the last machine.
    private var courses: [Chart] {
        guard let machine = points.last?.topology else { return [] }
        return workloads.enumerated().map { index, workload in
            let chosen = points.filter { $0.workload == workload && $0.topology == machine }
            return Chart(
                name: "stress-tokens-\(index + 1)",
                title: "Imbalance from token to token: \(workload), "
                    + "\(chosen.first?.dimmCount ?? 0) DIMMs",
                caption: "Slowest DIMM over the mean.", xLabel: "decoded token",
                yLabel: "slowest DIMM / mean",
                series: chosen.enumerated().map { colour, point in
                    Chart.Series(
                        point.policy, style: .line, colour: colour,
                        points: point.imbalances.enumerated().map {
                            Chart.Point(Double($0.offset), $0.element)
                        })
                })
        }
    }
}
