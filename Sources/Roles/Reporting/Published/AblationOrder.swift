/// The ablations by how fast their MLP is, against the slowest one, published and ours.
package struct AblationOrder: Equatable, Sendable {
    package struct Step: Equatable, Sendable {
        package let system: String
        /// Speed over Hermes-random's.
        package let published: Double
        package let ours: Double

        package init(system: String, published: Double, ours: Double) {
            self.system = system
            self.published = published
            self.ours = ours
        }
    }

    /// One of the workloads that the published means are over; only ours are known.
    package struct Case: Equatable, Sendable {
        package let model: String
        package let batchSize: Int
        /// Speed over Hermes-random's, of each step's system in the order of the steps.
        package let speeds: [Double]

        package init(model: String, batchSize: Int, speeds: [Double]) {
            self.model = model
            self.batchSize = batchSize
            self.speeds = speeds
        }
    }

    package let steps: [Step]

    package init(steps: [Step]) { self.steps = steps }

    /// Whether a workload's speeds rank as the published means.
    package func isAsPublished(_ workload: Case) -> Bool {
        let ranked = zip(steps, workload.speeds).sorted { $0.0.published < $1.0.published }
        return zip(ranked, ranked.dropFirst()).allSatisfy { $0.1 < $1.1 }
    }

    /// Chains the published speedups, each stated over another ablation: `A/B`.
    ///
    /// - Returns: `nil` unless every link has a number of ours.
    package init?(points: [ReproducedPoint]) {
        let root = "Hermes-random"
        var steps = [Step(system: root, published: 1, ours: 1)]
        let speedups = points.filter { $0.metric == "mlp_speedup" }
        for point in speedups {
            let names = point.system.split(separator: "/").map(String.init)
            guard names.count == 2, let base = steps.first(where: { $0.system == names[1] }),
                let published = point.published.value, let ours = point.ours
            else { return nil }
            steps.append(
                Step(
                    system: names[0], published: base.published * published,
                    ours: base.ours * ours))
        }
        guard steps.count > 1 else { return nil }
        self.steps = steps
    }

    /// Whether ours rank as published.
    package var isAsPublished: Bool {
        let published = steps.sorted { $0.published < $1.published }
        return zip(published, published.dropFirst()).allSatisfy { $0.ours < $1.ours }
    }
}
