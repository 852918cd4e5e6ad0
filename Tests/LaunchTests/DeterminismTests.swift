import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// The virtual clock: many equal runs, one result, whatever else the machine does.
    @Suite struct DeterminismTests {
        private static let topologies =
            TestLevel.current == .plain
            ? ["2-dimm", "16-dimm"]
            : ["1-dimm", "2-dimm", "4-dimm", "rtx4090-8dimm", "16-dimm"]

        @Test(arguments: topologies)
        func `Runs under noise give the same bytes, trace and explanation`(
            topology: String
        ) throws {
            let model = try TinyModelFile()
            let noise = try (0..<3).map { _ in try Noise() }
            var results: Set<[UInt8]> = []
            var traces: Set<[UInt8]> = []
            var explanations: Set<String> = []
            for run in 0..<(TestLevel.current == .plain ? 4 : 20) {
                let trace = model.folder.entry("trace-\(run).json")
                let outcome = try model.run([
                    "--topology", topology, "--json", "-", "--trace", trace, "--explain",
                ])
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                results.insert(try withoutHost(outcome.output))
                traces.insert([UInt8](try Data(contentsOf: URL(filePath: trace))))
                explanations.insert(Self.tables(in: outcome.errors))
            }
            #expect(results.count == 1)
            #expect(traces.count == 1)
            #expect(explanations.count == 1)
            #expect(traces.first?.isEmpty == false)
            #expect(explanations.first?.contains("Critical path") == true)
            withExtendedLifetime(noise) {}
        }

        /// The explanation alone: the summary behind it tells wall times.
        private static func tables(in errors: String) -> String {
            let start = errors.range(of: "Layer 0")?.lowerBound ?? errors.endIndex
            let end = errors.range(of: "whole run")?.upperBound ?? errors.endIndex
            return start <= end ? String(errors[start..<end]) : ""
        }
    }

    /// The paced clock on the default model.
    @Suite struct PacedRunTests {
        private struct Timing: Decodable {
            struct Seconds: Decodable { let emulated: Double }
            struct Host: Decodable {
                struct Role: Decodable {
                    let role: String
                    let deadlines: Int
                    let missed: Int
                }

                let secondsPaced: Double
                let overrunShare: Double
                let overruns: [Role]
            }

            struct Link: Decodable {
                struct Host: Decodable { let achievedBytesPerSecond: Double }

                let capBytesPerSecond: Double
                let host: Host
            }

            let seconds: Seconds
            let host: Host
            let links: [Link]
        }

        /// Fewer tokens in a plain test: a busy machine needs 2700 times the emulated time.
        private static let tokenCount = TestLevel.current == .plain ? 3 : 12

        private func run(_ topology: String, dilation: Int) throws -> Outcome {
            try LaunchTests.start([
                "run", "--raw", "--ignore-eos", "--prompt", "The capital of France is",
                "--tokens", "\(Self.tokenCount)", "--topology", topology, "--clock", "paced",
                "--dilation", "\(dilation)", "--json", "-",
            ])
        }

        @Test func `Without a dilation the run finds one, or says why not`() throws {
            let model = try TinyModelFile()
            // The search ends after 45 s; a trial begun before that, and the run itself, may each
            // take about as long again where the machine is busy.
            let outcome = try model.run(
                ["--clock", "paced", "--topology", "2-dimm"], within: .seconds(240))
            if outcome.ending == .exited(69) {
                #expect(outcome.errors.contains("too busy"))
            } else {
                #expect(outcome.ending == .exited(0) || outcome.ending == .exited(76))
                #expect(outcome.errors.contains("at dilation"))
            }
        }

        @Test func `A worker that dies during a long paced wait is noticed`() throws {
            let model = try TinyModelFile()
            // At this dilation the prefill alone takes minutes.
            let launch = try model.launch([
                "--clock", "paced", "--dilation", "1000000", "--topology", "2-dimm",
                "--restarts", "0",
            ])
            launch.wait(for: "two workers") { launch.workers.count == 2 }
            usleep(300_000)
            if let victim = launch.workers.last { kill(victim.identifier, SIGKILL) }
            let outcome = launch.finish(within: .seconds(20))
            #expect(outcome.ending == .exited(75), "\(outcome.errors)")
        }

        /// Up to half a minute each where the machine is busy: a plain test takes one.
        private static let topologies =
            TestLevel.current == .plain ? ["4-dimm"] : ["2-dimm", "4-dimm", "rtx4090-8dimm"]

        @Test(arguments: topologies)
        func `Wall time over the dilation is emulated time`(topology: String) throws {
            _ = try DefaultModel.path()
            var outcome = try run(topology, dilation: 300)
            // A busy machine misses deadlines; then the run says so, and needs more dilation.
            for dilation in [900, 2_700] where outcome.ending == .exited(76) {
                #expect(outcome.errors.contains("not faithful"))
                outcome = try run(topology, dilation: dilation)
            }
            let isFaithful = outcome.ending == .exited(0)
            try #require(isFaithful || outcome.ending == .exited(76), "\(outcome.errors)")
            if !isFaithful {
                Issue.record("too busy a machine for this check", severity: .warning)
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let timing = try decoder.decode(Timing.self, from: Data(outcome.output))
            #expect(isFaithful == (timing.host.overrunShare <= 0.01))
            let ratio = timing.host.secondsPaced / timing.seconds.emulated
            #expect(ratio >= 1, "nothing is ever early")
            if isFaithful { #expect(ratio <= 1.03) }
            #expect(timing.host.overruns.allSatisfy { $0.deadlines > 0 })
            #expect(timing.host.overruns.first?.role == "coordinator")
            #expect(
                timing.links.allSatisfy {
                    $0.host.achievedBytesPerSecond > 0
                        && $0.host.achievedBytesPerSecond <= $0.capBytesPerSecond
                })
        }

        @Test func `A dilation that no machine holds ends with exit 76 and the result`() throws {
            let model = try TinyModelFile()
            let outcome = try model.run([
                "--clock", "paced", "--dilation", "0.001", "--json", "-",
            ])
            #expect(outcome.ending == .exited(76), "\(outcome.errors)")
            #expect(outcome.errors.contains("not faithful"))
            #expect(try outcome.document().generatedTokens.count == TinyModelFile.tokenCount)
        }
    }
}

/// A process that takes what it can get of a core, for as long as its owner lives.
private final class Noise {
    private let process: SpawnedProcess

    init() throws {
        process = try SpawnedProcess(
            command: ["/bin/sh", "-c", "while :; do :; done"], environment: [],
            input: "/dev/null", output: "/dev/null", errors: "/dev/null")
    }
}
