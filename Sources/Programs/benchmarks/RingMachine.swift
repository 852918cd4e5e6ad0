import ArgumentParser
import CLinuxShims
import Glibc
import SystemPackage

/// What every table of figures must say about where it was measured.
enum Machine {
    /// Processors that this process may use.
    static var processorCount: Int { Int(shim_allowed_cpu_count()) }

    static func requireProcessors(_ count: Int) throws {
        guard processorCount >= count else {
            throw ValidationError(
                "this benchmark needs \(count) processors; \(processorCount) are allowed")
        }
    }

    /// Processor, how many of them, and the load that other programs cause.
    static var description: String {
        let model =
            contents(of: "/proc/cpuinfo").split(separator: "\n")
            .first { $0.hasPrefix("model name") }?
            .split(separator: ":").last.map { $0.drop { $0 == " " } } ?? "unknown processor"
        let load = contents(of: "/proc/loadavg").split(separator: " ").first ?? "unknown"
        let kernel = contents(of: "/proc/sys/kernel/osrelease").split(separator: "\n").first ?? ""
        return "\(model), \(processorCount) processors, Linux \(kernel), load \(load)"
    }

    private static func contents(of path: FilePath) -> String {
        guard let file = try? FileDescriptor.open(path, .readOnly) else { return "" }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe (try? file.read(into: buffer)) ?? 0
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
