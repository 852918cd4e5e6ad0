import Foundation
import NodeMeasurement

/// Whole runs under one placement.
struct RunCell {
    let placement: NodePlacement
    let tokensPerSecond: Samples
    /// Pages that were not where the placement asked for, over all DIMMs and rounds.
    let pagesElsewhere: Int
}

/// Starts this program again and again, with its workers placed in several ways.
struct PlacedRuns {
    let topologyPath: String
    let dimmCount: Int
    let modelPath: String?
    let nodes: [Int]
    let placements: [NodePlacement]
    let roundCount: Int
    let tokenCount: Int

    /// Rounds go through all placements, so that a disturbance does not hit one alone.
    func measure() throws -> [RunCell] {
        var rates: [[Double]] = placements.map { _ in [] }
        var elsewhere = placements.map { _ in 0 }
        for round in 0..<roundCount {
            for (index, placement) in placements.enumerated() {
                try Interruption.check()
                let outcome = try run(placement, round: round)
                rates[index].append(outcome.rate)
                elsewhere[index] += outcome.pagesElsewhere
            }
        }
        return placements.indices.map { index in
            RunCell(
                placement: placements[index], tokensPerSecond: Samples(rates[index]),
                pagesElsewhere: elsewhere[index])
        }
    }

    private func run(
        _ placement: NodePlacement, round: Int
    ) throws -> (rate: Double, pagesElsewhere: Int) {
        let result = FileManager.default.temporaryDirectory
            .appendingPathComponent("hermes-numa-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: result) }
        let overrides = placement.overrides(dimmCount: dimmCount, nodes: nodes)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try Locations.executable())
        process.arguments =
            [
                "run", "--topology", topologyPath, "--clock", "native", "--raw", "--prompt",
                "Once upon a time", "--ignore-eos", "--tokens", "\(tokenCount)", "--json",
                result.path,
            ] + overrides.flatMap { ["--set", $0] } + (modelPath.map { ["--model", $0] } ?? [])
        let errors = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        // Read to the end first: a full pipe would stop the run.
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try Interruption.check()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw Failure(
                Failure.Code(rawValue: process.terminationStatus) ?? .workerLost,
                "a run with \(placement.rawValue) weights failed: "
                    + String(decoding: said, as: UTF8.self).suffix(400))
        }
        return try figures(of: try Data(contentsOf: result))
    }

    private func figures(of document: Data) throws -> (rate: Double, pagesElsewhere: Int) {
        let object = try JSONSerialization.jsonObject(with: document) as? [String: Any]
        let host = object?["host"] as? [String: Any]
        guard let rate = host?["tokens_per_second_wall"] as? Double else {
            throw Failure(.internalFault, "a run's result names no tokens per second")
        }
        let dimms = object?["dimms"] as? [[String: Any]] ?? []
        let elsewhere = dimms.reduce(0) { sum, dimm in
            let count = (dimm["host"] as? [String: Any])?["pages_elsewhere"] as? Int
            return sum + (count ?? 0)
        }
        return (rate, elsewhere)
    }
}
