import Foundation
import Glibc

/// A folder of one test's own; gone with all it holds when the test ends.
final class ScratchFolder {
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "hermes-launch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of an entry, whether it exists or not.
    func entry(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let target = entry(name)
        try FileManager.default.createDirectory(
            atPath: URL(filePath: target).deletingLastPathComponent().path,
            withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: target))
        return target
    }

    func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    /// Makes a named pipe and returns its path.
    func makePipe(_ name: String) throws -> String {
        guard unsafe mkfifo(entry(name), 0o600) == 0 else { throw CocoaError(.fileWriteUnknown) }
        return entry(name)
    }

    /// A cache folder with the default model in it and nothing else, for XDG_CACHE_HOME.
    func makeCacheWithDefaultModel() throws -> String {
        let models = entry("cache/hermes-emulator/models")
        try FileManager.default.createDirectory(
            atPath: models, withIntermediateDirectories: true)
        let model = try DefaultModel.path()
        try FileManager.default.createSymbolicLink(
            atPath: models + "/" + URL(filePath: model).lastPathComponent,
            withDestinationPath: model)
        return entry("cache")
    }

    /// Names of the entries below a folder, all the way down; empty when it does not exist.
    func files(under name: String) -> [String] {
        let found = FileManager.default.enumerator(atPath: entry(name))?.allObjects ?? []
        return found.compactMap { $0 as? String }.sorted()
    }
}
