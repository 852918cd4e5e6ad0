import BaselineTiming
import Foundation
import ModelCatalogue
import Topology

/// The files of `topology/` that these tests read.
enum Shipped {
    static func text(_ path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: root.appending(path: "topology/" + path), encoding: .utf8)
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
        try ModelSpecification.parse(text("models/\(name).yaml"), fileName: name)
    }

    static func calibration() throws -> Calibration {
        try Calibration(
            points: PublishedThroughput.all, models: try modelNames.map(model),
            topology: topology())
    }
}
