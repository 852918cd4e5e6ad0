import Foundation
import Glibc
import Supervision
import SystemPackage
import Testing

/// A pipe whose writing end a child holds, so that end of file means that the child is gone.
struct ReportPipe {
    let readEnd: FileDescriptor
    let writeEnd: FileDescriptor

    init() throws {
        (readEnd, writeEnd) = try FileDescriptor.pipe()
    }

    /// Everything until end of file, or nil when that does not come within `limit`.
    func readAll(within limit: Duration = .seconds(20)) throws -> String? {
        try read(within: limit, until: { _ in false })
    }

    /// The next whole line, or what came until end of file.
    func readLine(within limit: Duration = .seconds(20)) throws -> String? {
        try read(within: limit, until: { $0.last == UInt8(ascii: "\n") })
    }

    private func read(within limit: Duration, until isEnough: ([UInt8]) -> Bool) throws -> String? {
        let deadline = ContinuousClock.now + limit
        var bytes: [UInt8] = []
        while !isEnough(bytes) {
            var request = pollfd(fd: readEnd.rawValue, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&request, 1, 20) > 0 else {
                if ContinuousClock.now > deadline { return nil }
                continue
            }
            var byte: UInt8 = 0
            let count = try unsafe withUnsafeMutableBytes(of: &byte) {
                try unsafe readEnd.read(into: $0)
            }
            if count == 0 { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The test's own child program, which lies beside the test bundle.
func probePath() throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: own).deletingLastPathComponent().appending(path: "SupervisionProbe").path
}

/// Starts a program whose descriptor 3 writes to the returned pipe.
func startReporting(
    _ executable: String, _ arguments: [String]
) throws -> (worker: WorkerProcess, reports: ReportPipe) {
    let reports = try ReportPipe()
    let worker = try WorkerProcess.startUnbonded(
        executable: executable, arguments: arguments, inheriting: [(reports.writeEnd, as: 3)])
    try reports.writeEnd.close()
    return (worker, reports)
}

/// As ``startReporting(_:_:)``, with a shell script.
func startShell(_ script: String) throws -> (worker: WorkerProcess, reports: ReportPipe) {
    try startReporting("/bin/sh", ["-c", script])
}

/// Runs the probe to its end and returns what it reported.
func probeReport(_ arguments: [String]) throws -> String? {
    let (worker, reports) = try startReporting(try probePath(), arguments)
    let text = try reports.readAll()
    try reports.readEnd.close()
    #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
    return text
}

/// Waits until a process is in a state of proc(5), such as "T" for stopped.
func awaitState(_ state: String, of identifier: Int32) throws {
    let deadline = ContinuousClock.now + .seconds(20)
    repeat {
        let stat = try String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8)
        if stat.contains(") \(state) ") { return }
        usleep(1_000)
    } while ContinuousClock.now < deadline
    Issue.record("process \(identifier) never reached state \(state)")
}

/// A directory tree that looks like `/proc` and `/sys` to the code under test; removed at the end.
struct FileTree: ~Copyable {
    let root: String

    init(_ files: [String: String]) throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "supervision-tests-\(UUID().uuidString)")
        root = directory.path
        for (path, content) in files {
            let file = URL(filePath: root + path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(content.utf8).write(to: file)
        }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: root)
    }
}
