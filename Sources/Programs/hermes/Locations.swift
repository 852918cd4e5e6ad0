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

    /// A file's whole content; a failure names it.
    static func read(_ path: String, what: String) throws -> [UInt8] {
        do {
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw Failure(.badInput, "cannot read \(what) '\(path)': \(reason(path))")
        }
    }

    private static func reason(_ path: String) -> String {
        var isFolder: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            return "no such file"
        }
        return isFolder.boolValue ? "it is a folder" : "permission denied or not readable"
    }

    /// Writes a file so that readers see the old content or the new, never a part.
    static func write(_ bytes: [UInt8], to path: String) throws {
        do {
            let url = URL(fileURLWithPath: path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: url, options: .atomic)
        } catch {
            throw Failure(.machineLacks, "cannot write '\(path)': \(error.localizedDescription)")
        }
    }
}
