import BaselineTiming
import Foundation

/// The one file of facts and calibrated values of the compared systems.
enum ComparedSystemsFile {
    static let name = "compared-systems.yaml"

    /// - Returns: the systems, the file's text and its path.
    static func load() throws -> (systems: ComparedSystems, text: String, path: String) {
        let path = try locate()
        let text = try WholeFile.text(path, what: "file of compared systems")
        do {
            return (try ComparedSystems.parse(text, fileName: path), text, path)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    private static func locate() throws -> String {
        let paths = Locations.topologyFolders().map { $0 + "/" + name }
        guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw Failure(
                .badInput, "no \(name) in \(Locations.topologyFolders().joined(separator: ", "))")
        }
        return path
    }
}
