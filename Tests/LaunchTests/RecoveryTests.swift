import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// Real workers that die, stop, stall and garble: the run goes on with the tokens that it would
    /// have had, or ends with exit 75 and says what happened. `Launch` looks for leftovers.
    @Suite struct RecoveryTests {
        private static let tokenCount = 12

        private func document(
            _ model: TinyModelFile, _ options: [String], restarts: Int = 4
        ) throws -> FaultyDocument {
            let outcome = try model.run(
                [
                    "--topology", "4-dimm", "--tokens", "\(Self.tokenCount)", "--restarts",
                    "\(restarts)", "--stall-after", "0.4", "--json", "-",
                ] + options)
            #expect(outcome.ending == .exited(0), "\(options): \(outcome.errors)")
            return try FaultyDocument(outcome.output)
        }

        // MARK: Every fault

        @Test(arguments: [
            "kill", "half-written", "corrupt-header", "skip-sequence", "stop",
            "corrupt-header@side=request", "skip-sequence@side=request", "kill@side=request",
        ])
        func `A worker that is lost is replaced, and the tokens stay`(fault: String) throws {
            let model = try TinyModelFile()
            let expected = try document(model, [])
            for step in ["qkv", "attention", "mlp"] {
                let separator = fault.contains("@") ? "," : "@"
                let place = "\(separator)token=3,layer=1,step=\(step),dimm=2"
                let found = try document(
                    model, ["--fault", fault + place])
                #expect(found.generatedTokens == expected.generatedTokens, "\(fault) \(step)")
                #expect(found.recoveries.map(\.remedy) == ["restart"], "\(fault) \(step)")
                #expect(found.recoveries.map(\.dimm) == [2])
                #expect(found.dimms.map(\.restarts) == [0, 0, 1, 0])
                #expect(found.recoveries[0].seconds.emulated > 0)
                // A model so small is loaded again while the GPU role still computes.
                #expect(found.seconds.emulated >= expected.seconds.emulated)
            }
        }

        @Test func `What a topology makes fail fails in every run on it`() throws {
            let model = try TinyModelFile()
            let expected = try document(model, [])
            let found = try document(
                model, ["--set", #"faults=["kill@token=2,dimm=3", corrupt-payload]"#])
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(Set(found.recoveries.map(\.remedy)) == ["restart", "repetition"])
            #expect(found.dimms.map(\.restarts) == [0, 0, 0, 1])
            let again = try document(
                model, ["--fault", "kill@token=2,dimm=3", "--fault", "corrupt-payload"])
            #expect(again.recoveries.map(\.dimm) == found.recoveries.map(\.dimm))
        }

        @Test(arguments: ["explode", "kill@dimm=4", "kill@dimm=1,restart=1"])
        func `A fault that a topology cannot have is refused with its place`(fault: String) throws {
            let outcome = try LaunchTests.start(
                ["topology", "check", "4-dimm", "--set", "faults=[\"kill\", \"\(fault)\"]"])
            #expect(outcome.ending == .exited(65))
            #expect(outcome.errors.contains("faults.1"), "\(outcome.errors)")
        }

        @Test(arguments: ["corrupt-payload@side=answer", "corrupt-payload@side=request"])
        func `A damaged message is sent again, and no worker is lost`(fault: String) throws {
            let model = try TinyModelFile()
            let expected = try document(model, [])
            for step in ["qkv", "attention", "mlp"] {
                let found = try document(
                    model, ["--fault", "\(fault),token=2,layer=0,step=\(step),dimm=0"])
                #expect(found.generatedTokens == expected.generatedTokens)
                #expect(found.recoveries.map(\.remedy) == ["repetition"], "\(fault) \(step)")
                #expect(found.dimms.map(\.restarts) == [0, 0, 0, 0])
            }
        }

        @Test(arguments: ["delay:0.1", "stop:0.1", "slow:3", "lose-doorbell"])
        func `What only takes time changes nothing`(fault: String) throws {
            let model = try TinyModelFile()
            let expected = try document(model, [])
            let found = try document(
                model, ["--fault", "\(fault)@token=2,layer=1,step=mlp,dimm=1,side=answer"])
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(found.recoveries.isEmpty)
            #expect(found.seconds.emulated == expected.seconds.emulated)
        }

        @Test(arguments: ["refuse-memory", "lose-model", "full-shm"])
        func `A place that cannot be taken ends the run with the tokens so far`(
            fault: String
        ) throws {
            // Its shards are of a size that can be refused.
            _ = try DefaultModel.path()
            let options = [
                "run", "--raw", "--ignore-eos", "--prompt", "Once", "--topology", "4-dimm",
                "--tokens", "\(Self.tokenCount)", "--restarts", "1", "--json", "-",
            ]
            let expected = try FaultyDocument(LaunchTests.start(options).output)
            let outcome = try LaunchTests.start(
                options + [
                    "--fault", "kill@token=4,layer=0,step=qkv,dimm=3", "--fault",
                    "\(fault)@dimm=3",
                ])
            #expect(outcome.ending == .exited(75), "\(outcome.errors)")
            #expect(outcome.errors.contains("not replaced"), "\(outcome.errors)")
            let found = try UnfinishedDocument(outcome.output)
            #expect(found.stopReason == "worker_lost")
            // The prompt's token and those of four steps.
            #expect(found.generatedTokens == Array(expected.generatedTokens.prefix(5)))
            #expect(found.host.failure.contains("DIMM 3"))
        }

        @Test func `A killed coordinator takes its workers along`() throws {
            let model = try TinyModelFile()
            let outcome = try model.run([
                "--topology", "4-dimm", "--fault",
                "kill-coordinator@token=2,layer=0,step=mlp,dimm=1",
            ])
            #expect(outcome.ending == .killed(signal: SIGKILL))
        }

        // MARK: Many

        @Test func `Killed at random points the runs finish with the same tokens`() throws {
            let model = try TinyModelFile()
            let count = TestLevel.current == .plain ? 10 : 100
            let expected = try document(model, [])
            for seed in 0..<count {
                let found = try document(model, ["--fault", "kill", "--seed", "\(seed)"])
                #expect(found.generatedTokens == expected.generatedTokens, "seed \(seed)")
                #expect(found.recoveries.count == 1, "seed \(seed)")
            }
        }

        @Test func `Several workers are lost in one run`() throws {
            let model = try TinyModelFile()
            let expected = try document(model, [])
            let found = try document(
                model, ["--fault", "kill*6", "--fault", "corrupt-payload*4"], restarts: 20)
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(found.recoveries.count { $0.remedy == "restart" } >= 3)
        }

        @Test func `Workers that are lost while neurons move are replaced`() throws {
            let options = [
                "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                "The library provides", "--tokens", "40", "--topology", "4-dimm", "--json", "-",
                "--policy.rebalance", "lpt", "--policy.adjustment", "on", "--restarts", "12",
            ]
            let expected = try FaultyDocument(LaunchTests.start(options).output)
            #expect(expected.migrations.remaps > 0)
            for seed in 0..<4 {
                let outcome = try LaunchTests.start(
                    options + [
                        "--seed", "\(seed)", "--fault", "kill*5", "--fault", "kill@step=move",
                        "--fault", "delay:0.01@token=0",
                    ])
                #expect(outcome.ending == .exited(0), "\(outcome.errors)")
                let found = try FaultyDocument(outcome.output)
                #expect(found.generatedTokens == expected.generatedTokens, "seed \(seed)")
                #expect(found.recoveries.count { $0.remedy == "restart" } >= 4)
            }
        }

        @Test func `A worker that dies by another's hand is replaced`() throws {
            let model = try TinyModelFile(contextLength: 2048)
            let launch = try model.launch([
                "--topology", "4-dimm", "--tokens", "1500", "--restarts", "2", "--json", "-",
            ])
            launch.wait(for: "four workers") { launch.workers.count == 4 }
            usleep(150_000)
            if let victim = launch.workers.first { kill(victim.identifier, SIGKILL) }
            let outcome = launch.finish(within: .seconds(60))
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let found = try FaultyDocument(outcome.output)
            #expect(found.dimms.map(\.restarts).reduce(0, +) == 1)
            let quiet = try FaultyDocument(
                model.run([
                    "--topology", "4-dimm", "--tokens", "1500", "--json", "-",
                ]).output)
            #expect(found.generatedTokens == quiet.generatedTokens)
        }

        @Test func `Workers of a shape are replaced, too`() throws {
            let outcome = try LaunchTests.start([
                "emulate", "--model", "opt-13b", "--prompt-tokens", "16", "--tokens", "8",
                "--topology", "rtx4090-8dimm", "--json", "-", "--fault", "kill*2", "--seed", "5",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            #expect(outcome.errors.contains("takes its place"))
        }

        // MARK: The language

        @Test(arguments: [
            ("explode", "unknown action"), ("kill:3", "takes no number"),
            ("delay", "needs a number"), ("kill@layer=x", "layer is a number"),
            ("kill@place=3", "unknown key"), ("kill*0", "count"),
            ("kill@restart=1", "means nothing"), ("full-shm@token=1", "means nothing"),
        ])
        func `A fault that makes no sense is refused with the reason`(
            text: String, reason: String
        ) throws {
            let outcome = try TinyModelFile().run(["--fault", text])
            #expect(outcome.ending == .exited(64), "\(outcome.errors)")
            #expect(outcome.errors.contains(reason), "\(outcome.errors)")
        }

        @Test func `A point that the run does not have is refused`() throws {
            let outcome = try TinyModelFile().run(["--fault", "kill@layer=77"])
            #expect(outcome.ending == .exited(65), "\(outcome.errors)")
            #expect(outcome.errors.contains("layers"), "\(outcome.errors)")
        }
    }
}

/// What is written of a run that lost a worker for good.
private struct UnfinishedDocument: Decodable {
    struct Host: Decodable { let failure: String }

    let generatedTokens: [Int]
    let stopReason: String
    let host: Host

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(UnfinishedDocument.self, from: Data(bytes))
    }
}
