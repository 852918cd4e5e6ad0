import Foundation
import Glibc

/// Where the program finds its own files: topologies, cached models, its executable.
enum Locations {
    /// The running executable, for starting workers from the very same binary.
    static func executable() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let length = unsafe readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
        guard length > 0 else {
            throw Failure(.machineLacks, "cannot read /proc/self/exe: is /proc mounted?")
        }
        return String(
            decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Folders that may hold topology files, best first: `HERMES_ROOT/topology`, then the
    /// checkout that the executable was built in (ROOT/.build/TRIPLE/release/hermes).
    static func topologyFolders() -> [String] {
        var folders: [String] = []
        if let root = ProcessInfo.processInfo.environment["HERMES_ROOT"] {
            folders.append(root + "/topology")
        }
        if let executable = try? executable() {
            let root = URL(fileURLWithPath: executable)
                .deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent()
            folders.append(root.path + "/topology")
        }
        return folders
    }

    /// The project's folder under the user's cache.
    static func cacheFolder() -> String {
        let environment = ProcessInfo.processInfo.environment
        if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") {
            return cache + "/hermes-emulator"
        }
        return (environment["HOME"] ?? "/tmp") + "/.cache/hermes-emulator"
    }

    /// The default model, put there by launch/setup.
    static func defaultModel() -> String {
        cacheFolder() + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    }
}
