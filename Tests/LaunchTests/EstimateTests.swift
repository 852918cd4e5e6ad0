import BaselineTiming
import Foundation
import HardwareModel
import ModelCatalogue
import SyntheticActivity
import TestLevels
import Testing
import Topology

/// A point at which processes and formula are compared.
struct EstimatedPoint: Sendable {
    let system: ComparedSystem
    let model: String
    let batchSize: Int
    /// The larger of the two tokens' times over the smaller, at most.
    let width: Double
}

extension LaunchTests {
    /// The emulation by processes against the closed form, which shares nothing with it but the
    /// files: neither messages, nor clocks, nor policies.
    @Suite struct EstimateTests {
        private struct Document: Decodable {
            struct Seconds: Decodable {
                let prefill: Double
                let decode: Double
            }
            let seconds: Seconds
        }

        private static let tokenCount = 9

        private static func text(_ path: String) throws -> String {
            let root = URL(filePath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
            return try String(
                contentsOf: root.appending(path: "topology/" + path), encoding: .utf8)
        }

        private static func estimate(_ point: EstimatedPoint) throws -> HermesEstimate.Time {
            let model = try ModelSpecification.parse(
                text("models/\(point.model).yaml"), fileName: point.model)
            let topology = try Topology.parse(
                text("rtx4090-8dimm.yaml"), fileName: "rtx4090-8dimm")
            var table = DRAMEfficiencyTable()
            let estimate = HermesEstimate(
                model: model,
                machine: try EstimatedMachine(topology, model: model, using: &table),
                frequencies: try NeuronFrequencies(
                    ActivityStatistics.parse(
                        text("models/families/\(model.family.rawValue).yaml"), of: model.family,
                        fileName: model.family.rawValue)))
            return estimate.time(
                point.system,
                workload: Workload(
                    batchSize: point.batchSize, promptTokenCount: 128, tokenCount: tokenCount),
                systems: try ComparedSystems.parse(
                    text("compared-systems.yaml"), fileName: "compared-systems.yaml"))
        }

        private static func emulated(_ point: EstimatedPoint) throws -> Document.Seconds {
            let outcome = try LaunchTests.start(
                [
                    "emulate", "--system", point.system.rawValue, "--model", point.model,
                    "--batch", "\(point.batchSize)", "--tokens", "\(tokenCount)", "--json", "-",
                ] + (point.system == .hermesHost ? ["--policy.adjustment", "none"] : []))
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            return try JSONDecoder().decode(Document.self, from: Data(outcome.output)).seconds
        }

        /// Hermes-base has no statistics: what is left is the sums' merging on the GPU and how
        /// neurons divide by 8. Hermes-host has those of cold neurons, too, as drawn for these few
        /// tokens; its copies stay here, as the formula has none that move. Hermes also balances
        /// GPU and DIMMs by the integer program, moves copies and waits for the slowest DIMM, of
        /// all of which the formula knows an average. The prefill is the same but for its first
        /// transfer and for copies of hot neurons, whose number differs from layer to layer.
        @Test(
            .enabled(if: TestLevel.current >= .ci),
            arguments: [
                EstimatedPoint(
                    system: .hermesBase, model: "opt-13b", batchSize: 1, width: 1.05),
                EstimatedPoint(
                    system: .hermesBase, model: "falcon-40b", batchSize: 4, width: 1.05),
                EstimatedPoint(
                    system: .hermesHost, model: "opt-13b", batchSize: 1, width: 1.15),
                EstimatedPoint(system: .hermes, model: "opt-66b", batchSize: 1, width: 1.2),
                EstimatedPoint(system: .hermes, model: "llama2-70b", batchSize: 1, width: 1.2),
                EstimatedPoint(system: .hermes, model: "falcon-40b", batchSize: 4, width: 1.2),
            ])
        func `Processes take the time that the closed form expects`(
            point: EstimatedPoint
        ) throws {
            let expected = try Self.estimate(point)
            let ours = try Self.emulated(point)
            let token = ours.decode / Double(Self.tokenCount - 1)
            let ratio = token / expected.token
            #expect(
                max(ratio, 1 / ratio) < point.width, "\(token) against \(expected.token) s a token")
            let prefill = ours.prefill / expected.prefill
            #expect(
                max(prefill, 1 / prefill) < 1.1,
                "\(ours.prefill) against \(expected.prefill) s of prefill")
        }
    }
}
