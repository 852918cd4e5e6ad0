import Foundation
import Testing

/// A Linux guest with NUMA nodes of its own, which `launch/lab` boots.
enum Lab {
    /// Whether `launch/setup --with-lab` could do its work here; `launch/test` has called it.
    static var isReady: Bool {
        let environment = ProcessInfo.processInfo.environment
        let manager = FileManager.default
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        return folders.contains { manager.isExecutableFile(atPath: "\($0)/qemu-system-x86_64") }
            && (try? manager.contentsOfDirectory(atPath: kernelFolder))?
                .contains { $0.hasPrefix("linux-image-") } ?? false
    }

    static let reason = Comment(
        "needs QEMU and a kernel, which launch/setup --with-lab could not get here")

    private static var kernelFolder: String {
        let environment = ProcessInfo.processInfo.environment
        var cache = environment["XDG_CACHE_HOME"] ?? ""
        if !cache.hasPrefix("/") { cache = (environment["HOME"] ?? "") + "/.cache" }
        return cache + "/hermes-emulator/lab"
    }

    /// Starts `launch/lab`; its temporary files go into a folder of the test's own.
    static func launch(_ arguments: [String], temporary: ScratchFolder) throws -> Launch {
        let programs = URL(filePath: Launch.executable).deletingLastPathComponent().path
        return try Launch(
            arguments, script: "exec '\(Launch.packageRoot)/launch/lab' \"$@\"",
            environment: ["TMPDIR": temporary.path, "HERMES_PROGRAMS": programs])
    }
}

/// One boot of guests in which all commands of a script in `Data/lab` ran.
struct LabBoot: Sendable {
    /// One for all tests: a boot and its commands take a minute.
    static let shared = Result {
        try LabBoot(["--topology", Self.topology], script: "scenarios.sh")
    }
    /// One of two guests that are joined by a cable.
    static let twoHosts = Result {
        try LabBoot(["--hosts", "2", "--nodes", "1", "--cpus", "2"], script: "hosts.sh")
    }
    static let topology = Launch.packageRoot + "/topology/8-dimm-4-node.yaml"

    let outcome: Outcome
    /// What the guest left in its output folder, by name.
    private let files: [String: [UInt8]]
    /// What stayed of the temporary files.
    let leftovers: [String]

    private init(_ options: [String], script: String) throws {
        let results = try ScratchFolder()
        let temporary = try ScratchFolder()
        let data = Launch.packageRoot + "/Tests/LaunchTests/Data"
        let launch = try Lab.launch(
            options + [
                "--output", results.path, "--timeout", "540", "--script", "\(data)/lab/\(script)",
                "--", data, results.path,
            ], temporary: temporary)
        outcome = launch.finish(within: .seconds(560))
        leftovers = temporary.files(under: "")
        files = Dictionary(
            uniqueKeysWithValues: try results.files(under: "").map {
                ($0, [UInt8](try Data(contentsOf: URL(filePath: results.entry($0)))))
            })
    }

    func file(_ name: String) throws -> [UInt8] {
        try #require(files[name], "no \(name); \(outcome.text)\(outcome.errors)")
    }

    func text(_ name: String) throws -> String { String(decoding: try file(name), as: UTF8.self) }

    /// The exit code of a command, and what it said on stderr.
    func ending(of command: String) throws -> (code: Int, errors: String) {
        let code = try text(command + ".code").trimmingCharacters(in: .whitespacesAndNewlines)
        return (try #require(Int(code)), try text(command + ".errors"))
    }
}

/// Where a process's own pages are, as the kernel tells everybody in /proc/PID/numa_maps.
struct NUMAMaps {
    /// One mapping without a file behind it, but for heap and stack: those exist before any code of
    /// the program's could bind them.
    struct Region {
        /// As the kernel writes it, such as "bind:2".
        let policy: String
        let pageCountByNode: [Int: Int]
    }

    let regions: [Region]

    init(_ text: String) {
        regions = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ").map { String($0) }
            guard fields.count > 2, !line.contains(" file="), fields[2] != "heap",
                fields[2] != "stack"
            else { return nil }
            let counts = fields.compactMap { field -> (Int, Int)? in
                let parts = field.split(separator: "=")
                guard field.hasPrefix("N"), parts.count == 2, let node = Int(parts[0].dropFirst()),
                    let count = Int(parts[1])
                else { return nil }
                return (node, count)
            }
            return Region(
                policy: fields[1], pageCountByNode: Dictionary(uniqueKeysWithValues: counts))
        }
    }

    /// Pages on each node, of regions that have at least so many.
    func pageCountByNode(inRegionsFrom least: Int) -> [Int: Int] {
        regions.map(\.pageCountByNode)
            .filter { $0.values.reduce(0, +) >= least }
            .reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
    }
}
