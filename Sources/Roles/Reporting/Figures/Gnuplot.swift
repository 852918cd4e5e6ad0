import Foundation

/// Runs gnuplot as a process.
package enum Gnuplot {
    /// The Debian package that has it.
    package static let packageName = "gnuplot-nox"

    /// Finds out whether gnuplot can be started.
    package static func check() throws(ReportingError) {
        _ = try run(["--version"], in: FileManager.default.currentDirectoryPath)
    }

    /// Writes NAME.gnuplot, NAME.svg and NAME.png into a folder that exists.
    ///
    /// - Returns: the text of the SVG file.
    package static func draw(_ chart: Chart, in folder: String) throws(ReportingError) -> String {
        try draw(script: GnuplotScript(chart).text, named: chart.name, in: folder)
    }

    /// Writes NAME.gnuplot and runs it; its commands write NAME.svg beside it.
    ///
    /// - Returns: the text of the SVG file.
    @discardableResult
    package static func draw(
        script text: String, named name: String, in folder: String
    ) throws(ReportingError) -> String {
        let script = name + ".gnuplot"
        do {
            try text.write(toFile: folder + "/" + script, atomically: true, encoding: .utf8)
        } catch {
            throw .cannotWrite(folder + "/" + script, reason: error.localizedDescription)
        }
        _ = try run([script], in: folder)
        do {
            return try String(contentsOfFile: folder + "/\(name).svg", encoding: .utf8)
        } catch {
            throw .plotFailed(script, reason: "it wrote no \(name).svg")
        }
    }

    /// - Returns: what it printed.
    private static func run(
        _ arguments: [String], in folder: String
    ) throws(ReportingError) -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gnuplot"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        do {
            try process.run()
        } catch {
            throw .plotterMissing
        }
        // Before waiting: a full pipe would block it.
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self)
        guard process.terminationStatus == 0 else {
            // env's own code for a program that it does not find.
            if process.terminationStatus == 127 { throw .plotterMissing }
            throw .plotFailed(arguments.joined(separator: " "), reason: text)
        }
        return text
    }
}

/// What keeps a report from being written.
package enum ReportingError: Error, Equatable, CustomStringConvertible {
    case plotterMissing
    case plotFailed(String, reason: String)
    case cannotWrite(String, reason: String)

    package var description: String {
        switch self {
        case .plotterMissing:
            "cannot run gnuplot, which draws the figures; run as root: apt-get install -y "
                + Gnuplot.packageName
        case .plotFailed(let script, let reason):
            "gnuplot could not draw '\(script)': "
                + reason.trimmingCharacters(in: .whitespacesAndNewlines)
        case .cannotWrite(let path, let reason): "cannot write '\(path)': \(reason)"
        }
    }
}
