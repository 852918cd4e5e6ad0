import ArgumentParser
import Logging

/// Options that every command has: where results go and how much is said.
struct OutputOptions: ParsableArguments {
    @Option(help: "Write the result as JSON to FILE, or - for stdout (text is then left out).")
    var json: String?

    @Option(help: "Least severe messages to show on stderr.")
    var logLevel = LogLevel.warning

    var writesJSONToStandardOutput: Bool { json == "-" }

    /// A logger that writes to stderr.
    func logger(_ label: String) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel.level
        return logger
    }

    /// Finds out before the work whether the JSON can be written.
    func prepare() throws {
        if let json, !writesJSONToStandardOutput { try WholeFile.prepare(json) }
    }

    /// Writes the JSON where it was asked for, if it was.
    func deliver(_ document: @autoclosure () throws -> JSONValue) throws {
        guard let json else { return }
        let text = try document().rendered()
        if writesJSONToStandardOutput {
            try Terminal.emit(text)
        } else {
            try WholeFile.write(Array(text.utf8), to: json)
        }
    }
}

/// swift-log's levels as an argument.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .warning }
}
