import BaselineTiming
import ModelCatalogue
import Quantities
import Reporting
import Topology

/// What went into the emulations that the paper's results are compared with, so that nobody takes
/// it for a result: read from where it is in force.
enum ReproductionInputs {
    static func all() throws -> [ReproductionPage.Fact] {
        let (systems, _, _) = try ComparedSystemsFile.load()
        let (topology, _) = try TopologyFile.load("rtx4090-8dimm", assignments: [])
        return try activity(FamilyFile.all()) + machine(topology) + [
            .init(
                "Deja Vu's shares",
                "communication \(systems.dejaVu.communicationShare) of a token's time, predictor "
                    + "\(systems.dejaVu.predictorShare) of the rest: the paper's figure 12"),
            .init("prediction in Hermes", "takes no time: an assumption"),
        ]
    }

    private static func activity(
        _ statistics: [ModelFamily: ActivityStatistics]
    ) -> [ReproductionPage.Fact] {
        func list(_ value: (ActivityStatistics) -> Proportion) -> String {
            ModelFamily.allCases.compactMap { family in
                statistics[family].map { "\(name(family)) \(value($0))" }
            }.joined(separator: ", ")
        }
        return [
            .init(
                "density of activity",
                list(\.density) + ": set with the published speeds in sight; the paper says 0.1 "
                    + "to 0.3"),
            .init(
                "hottest neurons with 80 % of the activity",
                list(\.frequentShare) + ": OPT's and LLaMA2's are PowerInfer's of all layers of "
                    + "OPT-30B and of one layer of LLaMA2-70B, chosen among published figures on "
                    + "the fitted half; Falcon's is the paper's"),
            .init(
                "persistence of activity",
                "spells, contexts and parents set to the similarity of tokens, the prediction by "
                    + "parents and the change of the hot set that the paper reports"),
        ]
    }

    /// By hand, after the published results had been seen.
    private static func machine(_ topology: Topology) -> [ReproductionPage.Fact] {
        let gpu = topology.gpu
        return [
            .init(
                "efficiencies of the GPU",
                "bandwidth \(gpu.bandwidthEfficiency), arithmetic \(gpu.computeEfficiency), PCIe "
                    + "\(topology.pcie.efficiency); \(gpu.usableMemory) usable; T_sync "
                    + "\(gpu.synchronisationCost): fixed with the published speeds in sight")
        ]
    }

    private static func name(_ family: ModelFamily) -> String {
        switch family {
        case .opt: "OPT"
        case .llama2: "LLaMA2"
        case .falcon: "Falcon"
        }
    }
}
