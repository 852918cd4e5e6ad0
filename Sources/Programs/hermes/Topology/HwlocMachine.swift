import Foundation

/// What hwloc makes of a synthetic description, asked of its own program.
enum HwlocMachine {
    /// More would make a page of links that nobody reads: one for each pair.
    static let mostNodes = 64

    /// Numbers of the nodes, ascending, at least one.
    static func nodes(ofDescription text: String) throws -> [Int] {
        let (document, reason) = try description(text)
        // A "indexes" that hwloc does not understand it leaves out, and says so.
        if !reason.isEmpty { Terminal.complain("hermes: hwloc: \(reason)") }
        let numbers = document.matches(of: /type="NUMANode" os_index="(\d+)"/)
            .compactMap { Int($0.output.1) }
        guard !numbers.isEmpty else {
            throw Failure(.badInput, "hwloc finds no NUMA node in '\(text)'")
        }
        guard numbers.count <= mostNodes else {
            throw Failure(
                .badInput,
                "'\(text)' has \(numbers.count) NUMA nodes; at most \(mostNodes) are synthesized")
        }
        return numbers.sorted()
    }

    /// The machine as hwloc's XML, and what its program had to say, on one line.
    private static func description(_ text: String) throws -> (document: String, said: String) {
        // Of nothing, hwloc would describe this machine.
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw Failure(.badInput, "the hwloc description is empty")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // The format is named: of its own, hwloc would take a text that names a file for that file.
        process.arguments = [
            "lstopo-no-graphics", "--input", text, "--input-format", "synthetic", "--of", "xml",
            "-",
        ]
        let output = Pipe()
        let errors = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Complaints are a few lines: they fit the pipe while the document is read.
        let document = output.fileHandleForReading.readDataToEndOfFile()
        let complaints = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let said = String(decoding: complaints, as: UTF8.self)
            .split(whereSeparator: \.isNewline).joined(separator: "; ")
        switch process.terminationStatus {
        case 0: return (String(decoding: document, as: UTF8.self), said)
        case 127:
            throw Failure(
                .machineLacks, "lstopo-no-graphics is not there: apt-get install hwloc-nox")
        default: throw Failure(.badInput, "hwloc does not read '\(text)': \(said)")
        }
    }
}
