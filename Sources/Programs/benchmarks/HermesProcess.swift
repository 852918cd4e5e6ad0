import Foundation

/// One start of the `hermes` that stands beside this program, and the JSON that it prints.
enum HermesProcess {
    /// - Parameter arguments: must ask for JSON on standard output.
    /// - Throws: ``BenchmarkError`` with the program's last words when it fails.
    static func run(_ arguments: [String]) throws -> [String: Any] {
        let process = Process()
        process.executableURL = try executable()
        process.arguments = arguments
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // A summary of some lines fits the pipe, so that one stream can wait for the other.
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let words = String(
            decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0,
            let root = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else {
            let last = words.split(separator: "\n").last.map { ": \($0)" } ?? ""
            throw BenchmarkError.noResult(
                "hermes \(arguments.joined(separator: " ")) failed\(last)")
        }
        return root
    }

    private static func executable() throws -> URL {
        try programFolder().appendingPathComponent("hermes")
    }

    /// The checkout that the programs were built in (ROOT/.build/TRIPLE/release).
    static func checkout() throws -> URL {
        try programFolder().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    private static func programFolder() throws -> URL {
        let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: path).deletingLastPathComponent()
    }
}
