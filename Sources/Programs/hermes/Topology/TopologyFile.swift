import FaultInjection
import Foundation
import Topology

/// Finds a topology by name or path and parses it.
enum TopologyFile {
    static let standard = "4-dimm"

    /// - Parameters:
    ///   - argument: a path (has a slash or an extension, or is a file here), else a name.
    ///   - assignments: `path=value` texts of `--set`.
    static func load(_ argument: String, assignments: [String]) throws -> (Topology, String) {
        let path = try locate(argument)
        let text = try WholeFile.text(path, what: "topology file")
        let overrides = try assignments.map { assignment in
            guard let override = TopologyOverride(argument: assignment) else {
                throw Failure(.usage, "--set \(assignment): expected path=value")
            }
            return override
        }
        do {
            let topology = try Topology.parse(text, fileName: path, overrides: overrides)
            try checkFaults(of: topology)
            return (topology, path)
        } catch let error as TopologyError {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// What a topology makes fail in every run.
    static func faults(of topology: Topology) throws -> [FaultText] {
        try topology.faults.enumerated().map { index, text in
            do {
                return try FaultText(text)
            } catch {
                throw Failure(.badInput, "topology '\(topology.name)': faults.\(index): \(error)")
            }
        }
    }

    /// Throws for a text that is none, and for a DIMM that the topology does not have. Only a run
    /// knows how many tokens and layers there are.
    private static func checkFaults(of topology: Topology) throws {
        let texts = try faults(of: topology)
        let extent = FaultText.Extent(
            tokenCount: .max, layerCount: .max, dimmCount: topology.dimms.count)
        var random = SystemRandomNumberGenerator()
        for (index, text) in texts.enumerated() {
            do {
                _ = try text.faults(in: extent, &random)
            } catch {
                throw Failure(
                    .badInput,
                    "topology '\(topology.name)': faults.\(index): the topology has "
                        + "\(topology.dimms.count) DIMMs")
            }
        }
    }

    private static func locate(_ argument: String) throws -> String {
        if argument.contains("/") || isFile(argument) { return argument }
        let fileName = argument.hasSuffix(".yaml") ? argument : argument + ".yaml"
        for folder in Locations.topologyFolders() {
            let path = folder + "/" + fileName
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        let names = known().joined(separator: ", ")
        throw Failure(
            .badInput, "no topology '\(argument)': give a file, or one of: \(names)")
    }

    /// A folder that happens to have a shipped topology's name must not hide it.
    private static func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        return exists && !isFolder.boolValue
    }

    /// The names of the shipped topologies, sorted.
    static func known() -> [String] {
        for folder in Locations.topologyFolders() {
            guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder)
            else { continue }
            return entries.filter { $0.hasSuffix(".yaml") && $0 != ComparedSystemsFile.name }
                .map { String($0.dropLast(5)) }.sorted()
        }
        return []
    }
}
