import CheckedYAML
import Foundation
import Reporting

/// Finds a file of energies by name or path and parses it.
enum EnergyFile {
    /// - Parameter argument: a path (has a slash), else the name of a shipped one.
    static func load(_ argument: String) throws -> EnergyModel {
        let path = try locate(argument)
        let text = try WholeFile.text(path, what: "energy file")
        do {
            return try EnergyModel.parse(text, fileName: path)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    private static func locate(_ argument: String) throws -> String {
        if argument.contains("/") { return argument }
        let name = argument.hasSuffix(".yaml") ? argument : argument + ".yaml"
        for folder in Locations.topologyFolders() {
            let path = folder + "/energy/" + name
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw Failure(.badInput, "no energies '\(argument)': give a file, or paper-parts")
    }
}
