import Foundation
import Glibc
import Supervision
import Topology

/// The cells of a matrix one after another, each with all its sessions at once, answers kept.
struct StressSeries {
    let runner: StressRunner
    let store: ResultStore

    struct Outcome {
        var answers: [StressCell: StressAnswer] = [:]
        var dimmCounts: [String: Int] = [:]
        /// Resolved topologies by name, for provenance.
        var topologies: [String: JSONValue] = [:]
        var keptCount = 0
        var runCount = 0
    }

    func run(_ cells: [StressCell]) throws -> Outcome {
        var outcome = Outcome()
        // All of them first: what names no topology fails before the work.
        let requests = try cells.map { try runner.request($0, session: 0) }
        for (cell, request) in zip(cells, requests) {
            outcome.dimmCounts[cell.topology] = request.topology.dimms.count
            outcome.topologies[cell.topology] = request.topology.resolvedJSON
        }
        let neighbours = try Neighbours(runner.command.neighbours)
        defer { Progress.end() }
        for (index, cell) in cells.enumerated() {
            try Interruption.check()
            let title = "\(index + 1) of \(cells.count): \(cell.description)"
            Progress.show(title)
            let key = store.key(try runner.description(cell), requests[index])
            if let answer: StressAnswer = store.answer(named: "stress-", key: key) {
                outcome.answers[cell] = answer
                outcome.keptCount += 1
                continue
            }
            let answer = try sessions(of: cell, index: index, title: title)
            try store.keep(answer, named: "stress-", key: key)
            outcome.answers[cell] = answer
            outcome.runCount += 1
        }
        withExtendedLifetime(neighbours) {}
        return outcome
    }

    private func sessions(of cell: StressCell, index: Int, title: String) throws -> StressAnswer {
        let parts = try (1..<runner.command.sessions).map {
            try StressPart.start(cell: index, session: $0, folder: store.folder)
        }
        defer { parts.map(\.process).terminateAll(grace: .seconds(2)) }
        let own = try runner.run(cell, session: 0, title: title)
        guard case .measured(var sum) = own else { return own }
        for (part, process) in parts {
            let answer = try part.answer(of: process)
            guard case .measured(let figures) = answer else { return answer }
            sum += figures
        }
        return .measured(sum)
    }
}

/// A session that another process runs, as this program's command line says it.
struct StressPart {
    let parent: Int32
    let cell: Int
    let session: Int
    /// Where the answer goes.
    let path: String

    private init(cell: Int, session: Int, path: String) {
        parent = getpid()
        self.cell = cell
        self.session = session
        self.path = path
    }

    /// From `--part`.
    init(_ argument: String) throws {
        let parts = argument.split(separator: ":", maxSplits: 3)
        guard parts.count == 4, let parent = Int32(parts[0]), let cell = Int(parts[1]),
            let session = Int(parts[2])
        else { throw Failure(.usage, "--part is malformed") }
        self.parent = parent
        self.cell = cell
        self.session = session
        path = String(parts[3])
    }

    /// Starts a process with the command line that this one has.
    static func start(
        cell: Int, session: Int, folder: String
    ) throws -> (part: StressPart, process: WorkerProcess) {
        let part = StressPart(
            cell: cell, session: session, path: "\(folder)/.session-\(getpid())-\(session)")
        let argument = "\(part.parent):\(cell):\(session):\(part.path)"
        do {
            return (
                part,
                try WorkerProcess.start(
                    executable: try Locations.executable(),
                    arguments: CommandLine.arguments.dropFirst() + ["--part", argument])
            )
        } catch let error as SupervisionError {
            throw Failure(.machineLacks, "cannot start a session: \(error)")
        }
    }

    /// In the process that was started: ends with the one that asked.
    func run(_ cells: [StressCell], _ runner: StressRunner) throws {
        do {
            try ParentBond.join(expectedParent: parent)
        } catch {
            throw Failure(.machineLacks, "cannot tie the session to its series: \(error)")
        }
        guard cells.indices.contains(cell) else { throw Failure(.usage, "--part has no cell") }
        let answer = try runner.run(cells[cell], session: session, title: "")
        try WholeFile.write(Array(try JSONEncoder().encode(answer)), to: path)
    }

    /// In the one that asked: waits for the answer.
    func answer(of process: WorkerProcess) throws -> StressAnswer {
        defer { try? FileManager.default.removeItem(atPath: path) }
        while true {
            try Interruption.check()
            guard let ending = process.wait(upTo: .milliseconds(100)) else { continue }
            guard ending == .exited(code: 0),
                let data = FileManager.default.contents(atPath: path),
                let answer = try? JSONDecoder().decode(StressAnswer.self, from: data)
            else {
                var code = Failure.Code.workerLost
                if case .exited(let number) = ending, let known = Failure.Code(rawValue: number) {
                    code = known
                }
                throw Failure(code, "session \(session) \(ending)")
            }
            return answer
        }
    }
}

/// Processes of our own that keep CPUs busy, as other users of a machine would.
final class Neighbours {
    private var processes: [WorkerProcess] = []

    init(_ count: Int) throws {
        do {
            for _ in 0..<count {
                processes.append(
                    try WorkerProcess.start(
                        executable: try Locations.executable(),
                        arguments: ["stress", "--neighbour-of", "\(getpid())"]))
            }
        } catch let error as SupervisionError {
            throw Failure(.machineLacks, "cannot start a neighbour: \(error)")
        }
    }

    deinit { processes.terminateAll(grace: .milliseconds(200)) }

    /// In the neighbour itself: computes over memory larger than caches until it is ended, at the
    /// latest with the process that started it.
    static func disturb(for parent: Int32) throws -> Never {
        do {
            try ParentBond.join(expectedParent: parent)
        } catch {
            throw Failure(.machineLacks, "cannot tie the neighbour to its series: \(error)")
        }
        var memory = [UInt64](repeating: 1, count: 8 << 20)
        var sum: UInt64 = 0
        while true {
            for index in memory.indices {
                sum = sum &* 6_364_136_223_846_793_005 &+ memory[index]
                memory[index] = sum
            }
        }
    }
}
