import Foundation
import Glibc
import Testing

/// All tests that start the real program: one at a time, because several measure how quickly it
/// reacts.
@Suite(.serialized) struct LaunchTests {}

/// What a start of the program left for its user.
struct Outcome {
    let ending: Ending
    let output: [UInt8]
    let errors: String

    var text: String { String(decoding: output, as: UTF8.self) }

    func document() throws -> RunDocument { try RunDocument(output) }
}

/// One start of the real program, as a user's shell would start it.
///
/// Its standard streams are files, so that nothing blocks; it carries a mark in its environment,
/// so that whatever it leaves behind is found. A start that is dropped is killed.
final class Launch {
    enum Input {
        case nothing
        case bytes([UInt8])
        /// A pipe that stays open and empty.
        case silence
    }

    static let packageRoot = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    static var executable: String { path(ofProgram: "hermes") }

    static func path(ofProgram name: String) -> String {
        let programs = ProcessInfo.processInfo.environment["HERMES_PROGRAMS"]
        return (programs ?? packageRoot + "/.build/release") + "/" + name
    }

    let mark = "HERMES_LAUNCH_MARK=\(UUID().uuidString)"
    private let process: SpawnedProcess
    private let folder: ScratchFolder
    private let segmentsBefore = ProcessTable.namedSegments()

    /// - Parameters:
    ///   - program: which of the package's programs.
    ///   - script: a bash script to run instead of the program, in which `"$0" "$@"` is the
    ///     command; it must `exec` the command where the process identifier matters.
    ///   - environment: changes to this process's environment; `nil` removes a variable.
    init(
        _ arguments: [String], program: String = "hermes", script: String? = nil,
        environment: [String: String?] = [:], input: Input = .nothing
    ) throws {
        folder = try ScratchFolder()
        let command = [Self.path(ofProgram: program)] + arguments
        let variables = environment.reduce(into: Self.baseEnvironment(mark: mark)) {
            $0[$1.key] = $1.value
        }
        let inputPath =
            switch input {
            case .nothing: "/dev/null"
            case .bytes(let bytes): try folder.write("input", bytes)
            case .silence: try folder.makePipe("input")
            }
        process = try SpawnedProcess(
            command: script.map { ["/bin/bash", "-c", $0] + command } ?? command,
            environment: variables.map { "\($0.key)=\($0.value)" }, input: inputPath,
            output: folder.entry("output"), errors: folder.entry("errors"))
    }

    private static func baseEnvironment(mark: String) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["HERMES_ROOT"] = packageRoot
        environment["NO_COLOR"] = nil
        // A crash must show as its signal at once, not after a minute of symbol look-ups.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        let parts = mark.split(separator: "=")
        environment[String(parts[0])] = String(parts[1])
        return environment
    }

    // MARK: While it runs

    var identifier: Int32 { process.identifier }
    var hasEnded: Bool { process.ending() != nil }
    var outputSoFar: [UInt8] { content("output") }
    var errorsSoFar: String { String(decoding: content("errors"), as: UTF8.self) }

    /// The worker processes, in DIMM order as started.
    var workers: [ProcessTable.Entry] {
        ProcessTable.children(of: identifier).filter {
            $0.arguments.count > 1 && $0.arguments[1] == "worker"
        }
    }

    /// Sends a signal to the program, unless it has ended.
    func send(_ signal: Int32) {
        process.send(signal)
    }

    /// Sends a signal to the program's process group, as a terminal does.
    func sendToGroup(_ signal: Int32) {
        process.sendToGroup(signal)
    }

    /// Waits until `condition` holds; records an issue when it does not in time.
    @discardableResult
    func wait(
        for what: String, upTo limit: Duration = .seconds(30),
        sourceLocation: SourceLocation = #_sourceLocation, until condition: () -> Bool
    ) -> Bool {
        let deadline = ContinuousClock.now + limit
        repeat {
            if condition() { return true }
            usleep(2_000)
        } while ContinuousClock.now < deadline && process.ending() == nil
        if condition() { return true }
        Issue.record(
            "waited in vain for: \(what); errors: \(errorsSoFar)", sourceLocation: sourceLocation)
        return false
    }

    // MARK: The end

    /// Waits for the end, and makes sure that nothing is left of it.
    func finish(
        within limit: Duration = .seconds(120), sourceLocation: SourceLocation = #_sourceLocation
    ) -> Outcome {
        let deadline = ContinuousClock.now + limit
        var ending = process.ending()
        while ending == nil, ContinuousClock.now < deadline {
            usleep(1_000)
            ending = process.ending()
        }
        if ending == nil {
            Issue.record(
                "it still runs after \(limit); errors: \(errorsSoFar)",
                sourceLocation: sourceLocation)
        }
        let certainEnding = ending ?? process.kill()
        expectNothingLeft(sourceLocation: sourceLocation)
        return Outcome(ending: certainEnding, output: outputSoFar, errors: errorsSoFar)
    }

    /// Within two seconds no process of this start remains, and no segment has a name.
    private func expectNothingLeft(sourceLocation: SourceLocation) {
        let deadline = ContinuousClock.now + .seconds(2)
        var processes: [Int32] = []
        var segments: Set<String> = []
        repeat {
            processes = ProcessTable.marked(mark)
            segments = ProcessTable.namedSegments().subtracting(segmentsBefore)
            if processes.isEmpty && segments.isEmpty { return }
            usleep(10_000)
        } while ContinuousClock.now < deadline
        Issue.record(
            "left behind: processes \(processes), segments \(segments.sorted())",
            sourceLocation: sourceLocation)
        for identifier in processes { Glibc.kill(identifier, SIGKILL) }
    }

    private func content(_ name: String) -> [UInt8] {
        FileManager.default.contents(atPath: folder.entry(name)).map { [UInt8]($0) } ?? []
    }
}

extension LaunchTests {
    /// Starts the program and waits for its end.
    static func start(
        _ arguments: [String], script: String? = nil, environment: [String: String?] = [:],
        input: Launch.Input = .nothing, within limit: Duration = .seconds(120),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
        try Launch(arguments, script: script, environment: environment, input: input)
            .finish(within: limit, sourceLocation: sourceLocation)
    }
}

/// Runs the program, which must refuse with a code and one line that contains all of `words`.
func expectRefusal(
    _ arguments: [String], code: Int32, saying words: [String], script: String? = nil,
    environment: [String: String?] = [:], input: Launch.Input = .nothing,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let outcome = try LaunchTests.start(
        arguments, script: script, environment: environment, input: input, within: .seconds(30),
        sourceLocation: sourceLocation)
    let call = arguments.joined(separator: " ")
    #expect(
        outcome.ending == .exited(code), "\(call): \(outcome.errors)",
        sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, "\(call): \(outcome.text)", sourceLocation: sourceLocation)
    for word in words where !outcome.errors.contains(word) {
        Issue.record(
            "\(call): '\(word)' is not in the message: \(outcome.errors)",
            sourceLocation: sourceLocation)
    }
}
