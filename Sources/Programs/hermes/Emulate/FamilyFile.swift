import Foundation
import ModelCatalogue

/// The catalogue's file of a model family: what its models' activity looks like.
enum FamilyFile {
    static func load(_ family: ModelFamily) throws -> ActivityStatistics {
        let name = "models/families/\(family.rawValue).yaml"
        let paths = Locations.topologyFolders().map { $0 + "/" + name }
        guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw Failure(
                .badInput, "no \(name) in \(Locations.topologyFolders().joined(separator: ", "))")
        }
        let text = try WholeFile.text(path, what: "file of a model family")
        do {
            return try ActivityStatistics.parse(text, of: family, fileName: path)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// Whose activity a model has, for people: its family's, or its own.
    static func title(of model: ModelSpecification) -> String {
        let family = try? load(model.family)
        return model.activity == family
            ? model.family.rawValue : "\(model.family.rawValue), the model's own statistics"
    }

    static func all() throws -> [ModelFamily: ActivityStatistics] {
        try ModelFamily.allCases.reduce(into: [:]) { $0[$1] = try load($1) }
    }
}
