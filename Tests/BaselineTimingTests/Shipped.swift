import BaselineTiming
import Foundation
import ModelCatalogue
import Topology

/// The files of `topology/` that these tests read.
enum Shipped {
    private static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "topology")
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    }

    /// Every machine in the folder, by its file's name.
    static func topologyNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".yaml") && $0 != "compared-systems.yaml" }
            .map { String($0.dropLast(".yaml".count)) }.sorted()
    }

    static func systems() throws -> ComparedSystems {
        try ComparedSystems.parse(
            text("compared-systems.yaml"), fileName: "compared-systems.yaml")
    }

    static func topology(_ name: String = "rtx4090-8dimm") throws -> Topology {
        try Topology.parse(text(name + ".yaml"), fileName: name)
    }

    static let modelNames = [
        "opt-13b", "opt-30b", "opt-66b", "llama2-13b", "llama2-70b", "falcon-40b",
    ]

    static func model(_ name: String) throws -> ModelSpecification {
        var model = try ModelSpecification.parse(text("models/\(name).yaml"), fileName: name)
        model.activity = try statistics(model.family)
        return model
    }

    static func statistics(_ family: ModelFamily) throws -> ActivityStatistics {
        try ActivityStatistics.parse(
            text("models/families/\(family.rawValue).yaml"), of: family,
            fileName: family.rawValue)
    }

    static func calibration() throws -> Calibration {
        try Calibration(
            points: PublishedThroughput.all, models: try modelNames.map(model),
            topology: topology())
    }
}
