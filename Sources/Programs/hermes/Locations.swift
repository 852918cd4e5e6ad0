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

    /// A program of this machine, looked for as a shell does; a path is taken as it is.
    static func program(_ name: String) throws -> String {
        if name.contains("/") { return name }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let found = path.split(separator: ":").map { folder -> String in "\(folder)/\(name)" }
            .first { (place: String) in unsafe access(place, X_OK) == 0 }
        guard let found else {
            throw Failure(.machineLacks, "there is no program '\(name)' in PATH")
        }
        return found
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
