import ArgumentParser
import Foundation

/// `benchmarks recovery`: how long a lost worker is missed, and what keeping its rows costs.
///
/// Each run loses one worker at a point drawn from its seed. A run whose tokens differ from the
/// undisturbed ones is an error, not a figure.
struct RecoveryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recovery",
        abstract: "Wall time from a worker's death to its replacement; cost of keeping rows.")

    @Option(help: "Runs that lose a worker, with seeds from 0.")
    var kills = 100

    @Option(help: "Runs with --restarts 0 and with --restarts 3, in turn, nothing lost.")
    var samples = 7

    @Option(help: "Tokens of each run.")
    var tokens = 32

    @Option(help: "The topology, by name or file.")
    var topology = "4-dimm"

    func validate() throws {
        guard kills >= 1, samples >= 1, tokens >= 2 else {
            throw ValidationError("--kills and --samples need at least 1, --tokens at least 2")
        }
    }

    func run() throws {
        print("default model, \(topology), \(tokens) tokens, native clock")
        let undisturbed = try figures(["--restarts", "0"])
        try printCost(expected: undisturbed.tokens)
        var spans: [Double] = []
        for seed in 0..<kills {
            let found = try figures(["--restarts", "3", "--fault", "kill", "--seed", "\(seed)"])
            guard found.tokens == undisturbed.tokens else {
                throw BenchmarkError.noResult("seed \(seed): the tokens differ")
            }
            guard found.spans.count == 1 else {
                throw BenchmarkError.noResult("seed \(seed): \(found.spans.count) workers replaced")
            }
            spans += found.spans
        }
        print(
            "\(kills) of \(kills) runs that lost a worker gave the undisturbed tokens; from the "
                + "notice of its end until another had its place:")
        print("  milliseconds " + Self.spread(spans.map { 1e3 * $0 }, decimals: 1))
    }

    /// Speed and memory with and without what a replacement would be told.
    private func printCost(expected: [Int]) throws {
        var rates: [String: [Double]] = [:]
        var kept = 0.0
        for _ in 0..<samples {
            for restarts in ["0", "3"] {
                let found = try figures(["--restarts", restarts])
                guard found.tokens == expected else {
                    throw BenchmarkError.noResult("the tokens differ between runs")
                }
                rates[restarts, default: []].append(found.rate)
                kept = max(kept, found.keptByteCount)
            }
        }
        for restarts in ["0", "3"] {
            print(
                "--restarts \(restarts): tokens/s "
                    + Self.spread(rates[restarts] ?? [], decimals: 1))
        }
        print("keys and values kept: \(Self.fixed(kept / 1e6, 2)) MB")
    }

    private struct Figures {
        let tokens: [Int]
        let rate: Double
        let keptByteCount: Double
        let spans: [Double]
    }

    private func figures(_ options: [String]) throws -> Figures {
        let root = try HermesProcess.run(
            [
                "run", "--raw", "--ignore-eos", "--prompt", "The history of the village",
                "--tokens", "\(tokens)", "--topology", topology, "--clock", "native", "--json", "-",
            ] + options)
        guard let generated = root["generated_tokens"] as? [Int],
            let host = root["host"] as? [String: Any],
            let rate = host["tokens_per_second_wall"] as? Double,
            let kept = host["kept_key_value_bytes"] as? Double,
            let restarts = host["restarts"] as? [[String: Any]]
        else { throw BenchmarkError.noResult("a run's JSON lacks figures of its recovery") }
        return Figures(
            tokens: generated, rate: rate, keptByteCount: kept,
            spans: restarts.compactMap { $0["seconds_wall"] as? Double })
    }

    private static func spread(_ values: [Double], decimals: Int) -> String {
        let sorted = values.sorted()
        guard let least = sorted.first, let most = sorted.last else { return "none" }
        let texts = [sorted[sorted.count / 2], least, sorted[sorted.count * 9 / 10], most].map {
            fixed($0, decimals)
        }
        return "median \(texts[0]), least \(texts[1]), 90 % below \(texts[2]), most \(texts[3])"
    }

    private static func fixed(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }
}
