import Foundation
import ModelCatalogue

/// Finds a model of the catalogue by name or path and parses it.
enum ModelCatalogueFile {
    /// - Parameter argument: a path (has a slash, or is a file here), else a name such as
    ///   `opt-13b`, in any case.
    /// - Returns: the model, with its own activity or its family's, and the path of its file.
    static func load(_ argument: String) throws -> (model: ModelSpecification, path: String) {
        let path = try locate(argument)
        let text = try WholeFile.text(path, what: "model catalogue file")
        var model: ModelSpecification
        do {
            model = try ModelSpecification.parse(text, fileName: path)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
        if model.activity == nil { model.activity = try FamilyFile.load(model.family) }
        return (model, path)
    }

    private static func locate(_ argument: String) throws -> String {
        if argument.contains("/") || isFile(argument) { return argument }
        let name = argument.lowercased()
        let fileName = name.hasSuffix(".yaml") ? name : name + ".yaml"
        for folder in folders() {
            let path = folder + "/" + fileName
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        let names = known().joined(separator: ", ")
        throw Failure(
            .badInput, "no model '\(argument)' in the catalogue: give a file, or one of: \(names)")
    }

    /// A folder that happens to have a shipped model's name must not hide it.
    private static func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        return exists && !isFolder.boolValue
    }

    /// The names of the shipped models, sorted.
    static func known() -> [String] {
        for folder in folders() {
            guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder)
            else { continue }
            return entries.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
        }
        return []
    }

    private static func folders() -> [String] {
        Locations.topologyFolders().map { $0 + "/models" }
    }
}
