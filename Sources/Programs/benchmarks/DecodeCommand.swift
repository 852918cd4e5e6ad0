import ArgumentParser
import Foundation

/// `benchmarks decode`: speed and memory of whole runs, by number of DIMMs.
///
/// Starts `hermes run` and reads its JSON, so what is measured is what a user gets. A run whose
/// tokens differ from the first one's is an error, not a figure.
struct DecodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Decode tokens/s and private memory of whole runs with the default model.")

    @Option(help: "Numbers of DIMMs, comma-separated.")
    var dimms = "2,4,16"

    @Option(help: "Clocks, comma-separated.")
    var clocks = "native,virtual"

    @Option(help: "Runs of each setting.")
    var samples = 5

    @Option(help: "Tokens of each run.")
    var tokens = 64

    func validate() throws {
        guard samples >= 1, tokens >= 2 else {
            throw ValidationError("--samples needs at least 1, --tokens at least 2")
        }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("hermes-benchmark-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        print("decode of \(tokens) tokens, default model, dense; medians of \(samples) runs")
        print("load average \(Self.loadAverage())")
        print("DIMMs clock     tokens/s  lowest  highest  private dirty MB  of limit")
        print("(limit: 1.3 x the model file + 40 MB for each process)")
        var expected: [Int]?
        for count in dimms.split(separator: ",").compactMap({ Int($0) }) {
            let topology = try Self.writeTopology(dimmCount: count, in: folder)
            for clock in clocks.split(separator: ",") {
                try measure(
                    dimmCount: count, clock: String(clock), topology: topology,
                    expected: &expected)
            }
        }
    }

    private func measure(
        dimmCount: Int, clock: String, topology: String, expected: inout [Int]?
    ) throws {
        var rates: [Double] = []
        var memory: [Double] = []
        for _ in 0..<samples {
            let result = try Self.runHermes([
                "run", "--raw", "--ignore-eos", "--prompt", Self.prompt, "--tokens", "\(tokens)",
                "--topology", topology, "--clock", clock, "--json", "-",
            ])
            if let expected, expected != result.tokens {
                throw ValidationError("the tokens differ between runs: nothing to report")
            }
            expected = result.tokens
            rates.append(result.rate)
            memory.append(result.privateDirtyBytes)
        }
        rates.sort()
        memory.sort()
        let allowed = 1.3 * 98_362_432 + 40e6 * Double(dimmCount + 1)
        let middle = samples / 2
        let columns = [
            Self.column("\(dimmCount)", 5), clock.padding(toLength: 9, withPad: " ", startingAt: 0),
            Self.column(Self.fixed(rates[middle], 1), 8), Self.column(Self.fixed(rates[0], 1), 7),
            Self.column(Self.fixed(rates[samples - 1], 1), 8),
            Self.column(Self.fixed(memory[middle] / 1e6, 1), 17),
            Self.column(Self.fixed(memory[middle] / allowed, 2), 8),
        ]
        print(columns.joined(separator: " "))
    }

    private static func column(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func fixed(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }

    /// 32 tokens and a few, as the peers' figures were taken.
    private static let prompt =
        "The history of the village goes back to the twelfth century, when monks built a mill "
        + "on the river and the first farms were cleared from the forest around it."

    private struct Outcome {
        let tokens: [Int]
        let rate: Double
        let privateDirtyBytes: Double
    }

    private static func runHermes(_ arguments: [String]) throws -> Outcome {
        let root = try HermesProcess.run(arguments)
        guard let tokens = root["generated_tokens"] as? [Int],
            let host = root["host"] as? [String: Any],
            let rate = host["tokens_per_second_wall"] as? Double,
            let own = host["coordinator_private_dirty_bytes"] as? Double,
            let dimms = root["dimms"] as? [[String: Any]]
        else { throw ValidationError("a run's JSON lacks figures of its speed or memory") }
        let workers = dimms.compactMap {
            ($0["host"] as? [String: Any])?["private_dirty_bytes"] as? Double
        }
        guard workers.count == dimms.count else {
            throw ValidationError("a worker's memory is unknown")
        }
        return Outcome(
            tokens: tokens, rate: rate, privateDirtyBytes: workers.reduce(own, +))
    }

    private static func writeTopology(dimmCount: Int, in folder: URL) throws -> String {
        let channels = (0..<dimmCount).map { "  - { node: 0, rate: 25.6 GB/s, dimms: [\($0)] }" }
        let text =
            "format: 1\nname: benchmark-\(dimmCount)\nchannels:\n"
            + channels.joined(separator: "\n") + "\n"
        let url = folder.appendingPathComponent("\(dimmCount).yaml")
        try text.write(to: url, atomically: true, encoding: .utf8)
        return url.path
    }

    private static func loadAverage() -> String {
        let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "unknown"
        return text.split(separator: " ").prefix(1).joined()
    }
}
