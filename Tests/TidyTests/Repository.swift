import Foundation
import Testing

/// The files of this clone that git tracks or would track, as the rules see them.
struct Repository {
    /// Ends in a slash.
    let root: String
    /// Paths from the root, ascending.
    let paths: [String]

    /// The clone that these tests were compiled from.
    static func current() throws -> Repository {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path()
        let listing = try output(
            of: [
                // CI may run as another user than the one who cloned.
                "git", "-c", "safe.directory=*", "-C", root,
                "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate",
            ])
        let paths = listing.split(separator: "\0").map(String.init).sorted()
            .filter { FileManager.default.fileExists(atPath: root + $0) }
        try #require(!paths.isEmpty, "git lists no file in \(root)")
        return Repository(root: root, paths: paths)
    }

    func text(of path: String) throws -> String {
        try String(contentsOfFile: root + path, encoding: .utf8)
    }

    /// Every file with one of the endings, read and divided into code, comments and strings.
    func sources(endingIn suffixes: [String]) throws -> [SourceText] {
        try paths.filter { path in suffixes.contains { path.hasSuffix($0) } }
            .map { SourceText(path: $0, text: try text(of: $0)) }
    }

    private static func output(of command: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(command.joined(separator: " ")) failed")
        return String(decoding: data, as: UTF8.self)
    }
}
