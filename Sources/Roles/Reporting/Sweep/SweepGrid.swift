/// One parameter and the values it takes: `gpu.memory=8GB,16GB,24GB`.
package struct SweepAxis: Equatable, Sendable {
    /// A path of the topology, or one of ``requestNames``.
    package let name: String
    package let values: [String]

    /// Parameters that are not the topology's.
    package static let requestNames = [
        "system", "model", "batch", "prompt-tokens", "tokens", "topology",
    ]

    /// - Returns: `nil` unless it is a name, `=` and values, all different and none empty.
    package init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            return nil
        }
        name = String(argument[..<equals])
        values = argument[argument.index(after: equals)...]
            .split(separator: ",", omittingEmptySubsequences: false)
            .map { String(String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())) }
        guard !values.contains(""), Set(values).count == values.count else { return nil }
    }

    /// The values as places on an axis of numbers, if all are numbers of one unit.
    package var numbers: [Double]? {
        let parts = values.map { value in
            (value.prefix { $0.isNumber || $0 == "." }, value.drop { $0.isNumber || $0 == "." })
        }
        let units = Set(parts.map { String($0.1.drop { $0 == " " }) })
        let numbers = parts.compactMap { Double($0.0) }
        return units.count == 1 && numbers.count == values.count ? numbers : nil
    }
}

/// All combinations of the values of several axes.
package struct SweepGrid: Sendable {
    package let axes: [SweepAxis]
    /// What holds where no axis says otherwise.
    package let base: PlannedEmulation

    package init(axes: [SweepAxis], base: PlannedEmulation) {
        self.axes = axes
        self.base = base
    }

    /// The values of each point, [points][axes]; the last axis varies fastest.
    package var combinations: [[String]] {
        axes.reduce([[]]) { points, axis in
            points.flatMap { point in axis.values.map { point + [$0] } }
        }
    }

    /// - Throws: the name of the axis whose value is no number where one is needed.
    package func emulation(_ values: [String]) throws(SweepError) -> PlannedEmulation {
        precondition(values.count == axes.count)
        var planned = base
        for (axis, value) in zip(axes, values) {
            func count() throws(SweepError) -> Int {
                guard let number = Int(value), (1...1_000_000).contains(number) else {
                    throw .noCount(axis.name, value: value)
                }
                return number
            }
            switch axis.name {
            case "system": planned.system = value
            case "model": planned.model = value
            case "topology": planned.topology = value
            case "batch": planned.batchSize = try count()
            case "prompt-tokens": planned.promptTokenCount = try count()
            case "tokens": planned.tokenCount = try count()
            default: planned.settings.append("\(axis.name)=\(value)")
            }
        }
        return planned
    }
}

/// What is wrong with a sweep.
package enum SweepError: Error, Equatable, CustomStringConvertible {
    case noCount(String, value: String)

    package var description: String {
        switch self {
        case .noCount(let name, let value):
            "'\(value)' of axis '\(name)' must be a whole number from 1 to 1000000"
        }
    }
}
