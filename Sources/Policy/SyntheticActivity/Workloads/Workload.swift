/// A load for stress tests: which neurons are active how often, and how that changes.
///
/// Unlike ``ActivityProcess``, which imitates a model family, a workload is made to be uneven in
/// one known way. The article Workloads has the laws. Written as `zipf`,
/// `zipf@exponent=1.5,density=0.2`, `trace@file=PATH`.
package struct Workload: Hashable, Sendable {
    /// In which way it is uneven.
    package enum Kind: String, CaseIterable, Sendable {
        /// Every neuron equally often: the control.
        case uniform
        /// Frequency falls with a power of the rank.
        case zipf
        /// The same, and the frequent neurons wander through the indices.
        case drift
        /// The same, and now and then some neighbouring neurons are active at once.
        case bursts
        /// Even in the prompt; from then on what is active is at home on one DIMM.
        case hotDIMM = "hot-dimm"
        /// Recorded activity, as it is.
        case trace

        /// What may be chosen of it, in the order in which texts have it.
        package var parameters: [Parameter] {
            switch self {
            case .uniform: [.density, .spell]
            case .zipf: [.density, .spell, .clusters, .exponent]
            case .drift: [.density, .spell, .clusters, .exponent, .rate]
            case .bursts:
                [.density, .spell, .clusters, .exponent, .period, .duty, .width, .level]
            case .hotDIMM: [.density, .spell, .dimm, .share]
            case .trace: []
            }
        }
    }

    package enum Parameter: String, CaseIterable, Sendable {
        /// Mean share of the neurons that a token activates, bursts left out.
        case density
        /// Mean tokens between two draws of a neuron: how long activity lasts.
        case spell
        /// Runs of neighbouring neurons with neighbouring ranks, so many in a block; 1 sorts the
        /// whole block by frequency.
        case clusters
        /// Of the power of the rank.
        case exponent
        /// Share of a block's indices by which the frequencies move each token.
        case rate
        /// Tokens from the start of one burst to the start of the next.
        case period
        /// Share of a period that the burst lasts.
        case duty
        /// Share of a block's neurons, neighbours, that take part in a burst.
        case width
        /// How likely each of them is active in it.
        case level
        /// Which DIMM is hot.
        case dimm
        /// Share of the cold activations that fall on it.
        case share

        package var standard: Double {
            switch self {
            case .density: 0.1
            case .spell: 8
            case .clusters: 32
            case .exponent: 1
            case .rate: 0.002
            case .period: 16
            case .duty: 0.25
            case .width: 0.0625
            case .level: 0.5
            case .dimm: 0
            case .share: 0.5
            }
        }

        package var range: ClosedRange<Double> {
            switch self {
            case .density: 0.001...0.9
            case .spell: 1...256
            case .clusters: 1...65_536
            case .exponent: 0...4
            case .rate: 0...0.5
            case .period: 2...65_536
            case .duty, .level, .share: 0...1
            case .width: 0...0.5
            case .dimm: 0...4095
            }
        }

        package var isWhole: Bool { self == .clusters || self == .period || self == .dimm }
    }

    package let kind: Kind
    private var values: [Parameter: Double] = [:]
    /// Of a recorded trace; `nil` for the others.
    package private(set) var file: String?

    /// With standard parameters.
    ///
    /// - Precondition: not a trace, which has a file.
    package init(_ kind: Kind) {
        precondition(kind != .trace)
        self.kind = kind
    }

    package subscript(parameter: Parameter) -> Double { values[parameter] ?? parameter.standard }

    /// Reads one workload.
    package init(parsing text: String) throws(WorkloadError) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = Kind(rawValue: String(halves[0])) else { throw .kind(String(halves[0])) }
        self.kind = kind
        if halves.count == 2 {
            for part in halves[1].split(separator: ",", omittingEmptySubsequences: false) {
                try set(String(part))
            }
        }
        guard kind != .trace || file != nil else { throw .noFile }
    }

    /// Reads workloads with commas between them: `zipf@exponent=1.5,density=0.2,uniform` are two.
    package static func list(parsing text: String) throws(WorkloadError) -> [Workload] {
        var texts: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            // A parameter belongs to the workload before it.
            if part.contains("="), !part.contains("@"), let last = texts.popLast() {
                texts.append(last + (last.contains("@") ? "," : "@") + part)
            } else {
                texts.append(String(part))
            }
        }
        var workloads: [Workload] = []
        for text in texts { workloads.append(try Workload(parsing: text)) }
        return workloads
    }

    private mutating func set(_ text: String) throws(WorkloadError) {
        let sides = text.split(separator: "=", maxSplits: 1).map { String($0) }
        guard sides.count == 2 else { throw .parameter(text, of: kind) }
        if kind == .trace, sides[0] == "file" {
            file = sides[1]
            return
        }
        guard let parameter = Parameter(rawValue: sides[0]), kind.parameters.contains(parameter)
        else { throw .parameter(sides[0], of: kind) }
        guard let value = Double(sides[1]), parameter.range.contains(value),
            !parameter.isWhole || value == value.rounded()
        else { throw .value(sides[1], of: parameter) }
        values[parameter] = value == parameter.standard ? nil : value
    }
}

extension Workload: CustomStringConvertible {
    /// As it is read, with what is not standard.
    package var description: String {
        if let file { return "trace@file=\(file)" }
        let changed = kind.parameters.compactMap { parameter in
            values[parameter].map { value in
                let number = parameter.isWhole ? "\(Int(value))" : "\(value)"
                return "\(parameter.rawValue)=\(number)"
            }
        }
        return kind.rawValue + (changed.isEmpty ? "" : "@" + changed.joined(separator: ","))
    }
}

extension Workload {
    /// ``description``, but a recorded trace goes by its file's name alone: for tables and figures.
    package var label: String {
        file.map { "trace \($0.split(separator: "/").last ?? "")" } ?? description
    }
}

/// A text that is no workload.
package enum WorkloadError: Error, Equatable, CustomStringConvertible {
    case kind(String)
    case parameter(String, of: Workload.Kind)
    case value(String, of: Workload.Parameter)
    case noFile

    package var description: String {
        switch self {
        case .kind(let text):
            "there is no workload '\(text)': give one of "
                + Workload.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        case .parameter(let text, let kind):
            "workload \(kind.rawValue) has no '\(text)': give NAME=VALUE with a name of "
                + (kind == .trace
                    ? "file" : kind.parameters.map(\.rawValue).joined(separator: ", "))
        case .value(let text, let parameter):
            "workload parameter \(parameter.rawValue)=\(text): expected "
                + (parameter.isWhole ? "a whole number" : "a number")
                + " of \(parameter.range.lowerBound) to \(parameter.range.upperBound)"
        case .noFile: "workload trace needs file=PATH"
        }
    }
}
