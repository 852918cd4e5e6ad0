import Foundation
import Testing

private let isModelChecked =
    ["ci", "full"].contains(ProcessInfo.processInfo.environment["HERMES_TEST_LEVEL"])

/// Runs spin over the model of the ring protocol: every interleaving, or the test fails. The
/// article "Model checking" explains the model and its variants.
@Suite(.serialized, .enabled(if: isModelChecked, "takes a minute: CI runs it"))
struct ModelCheckingTests {
    @Test(arguments: [
        ["MESSAGES=3", "PENDING=3"], ["MESSAGES=3", "PENDING=3", "EVERYWHERE"],
        ["MESSAGES=3", "PENDING=2", "KILL"],
    ])
    func `No execution loses, repeats or tears a message, or sleeps for ever`(
        variant: [String]
    ) throws {
        let verdict = try ModelChecker.run(variant)
        #expect(verdict.errorCount == 0, "\(verdict.finding)")
        #expect(verdict.isExhaustive, "\(verdict.output)")
        // Fewer would mean that the model no longer does what it did.
        #expect(verdict.stateCount > 1_000_000)
    }

    /// What must be found when one step is left out or moved. A sleeper that nobody wakes is an
    /// "invalid end state".
    @Test(arguments: [
        ("NO_WAKER_BARRIER", "invalid end state"),
        ("NO_SLEEPER_BARRIER", "invalid end state"),
        ("FLAG_BEFORE_PUBLICATION", "invalid end state"),
        ("NO_SECOND_LOOK", "invalid end state"),
        ("TICKET_AFTER_LOOK", "invalid end state"),
        ("WAKE_BEFORE_RING", "invalid end state"),
        ("CLOSE_WITHOUT_RING", "invalid end state"),
        ("PUBLISH_BEFORE_WRITE", "assertion violated"),
        ("RELEASE_BEFORE_READ", "assertion violated"),
        ("NO_SKIP", "assertion violated"),
        ("NO_LOOK_AFTER_CLOSE", "assertion violated"),
        ("KILL NO_LOOK_AFTER_DEATH", "assertion violated"),
        ("KILL SAME_RING", "assertion violated"),
    ])
    func `A protocol with one step wrong is found out`(change: String, finding: String) throws {
        let pending = change.contains("KILL") ? 2 : 3
        let words = change.split(separator: " ").map(String.init)
        let verdict = try ModelChecker.run(["MESSAGES=3", "PENDING=\(pending)"] + words)
        #expect(verdict.errorCount == 1)
        #expect(verdict.finding.contains(finding))
    }
}

/// spin makes a C program of a model, which then visits all states.
private enum ModelChecker {
    struct Verdict {
        let output: String

        var errorCount: Int { number(in: output.firstMatch(of: /errors: (\d+)/)?.output.1) }
        var stateCount: Int {
            number(in: output.firstMatch(of: /(\d+) states, stored/)?.output.1)
        }
        /// The first line that names an error.
        var finding: String {
            output.split(separator: "\n").first { $0.hasPrefix("pan:1:") }.map(String.init) ?? ""
        }
        /// Nothing was left out for want of memory or depth.
        var isExhaustive: Bool {
            !output.contains("error: max search depth") && !output.contains("Search not completed")
        }

        private func number(in text: Substring?) -> Int { text.flatMap { Int($0) } ?? -1 }
    }

    static let model = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/Mechanisms/RingTransport/RingProtocol.pml")

    static func run(_ macros: [String]) throws -> Verdict {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appending(path: "hermes-spin-\(UUID().uuidString)")
        try files.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? files.removeItem(at: folder) }
        let made = try output(
            of: ["spin"] + macros.map { "-D\($0)" } + ["-a", model.path], in: folder)
        let compiled = try output(
            of: ["cc", "-O2", "-w", "-DSAFETY", "-DMEMLIM=4000", "-o", "pan", "pan.c"], in: folder)
        try #require(
            files.isExecutableFile(atPath: folder.appending(path: "pan").path),
            "launch/setup --with-checkers installs spin and a C compiler: \(made) \(compiled)")
        return Verdict(output: try output(of: ["./pan", "-m1000000"], in: folder))
    }

    private static func output(of command: [String], in folder: URL) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = folder
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
