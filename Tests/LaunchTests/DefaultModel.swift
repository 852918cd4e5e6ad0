import Foundation

/// The default model, which `launch/setup --with-model` puts into the user's cache.
enum DefaultModel {
    static func path() throws -> String {
        let environment = ProcessInfo.processInfo.environment
        var cache = environment["XDG_CACHE_HOME"] ?? ""
        if !cache.hasPrefix("/") { cache = (environment["HOME"] ?? "") + "/.cache" }
        let path = cache + "/hermes-emulator/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        guard FileManager.default.fileExists(atPath: path) else { throw Missing(path: path) }
        return path
    }

    struct Missing: Error, CustomStringConvertible {
        let path: String

        var description: String {
            "the default model is not at \(path): run launch/setup --with-model first"
        }
    }
}
