import Foundation
import Glibc
import TestLevels
import Testing

/// What `run --json` says of neurons that moved.
private struct MovingDocument: Decodable {
    struct Migrations: Decodable {
        struct Imbalance: Decodable {
            let before: Double
            let after: Double
        }

        let hotSwaps: Int
        let remaps: Int
        let refusedRemaps: Int
        let abortedRemaps: Int
        let bytes: Int
        let dimmLinkBytes: Int
        let gpuBytes: Int
        /// Null where nothing may move.
        let imbalance: Imbalance?

        func expectNothing(sourceLocation: SourceLocation = #_sourceLocation) {
            let counts = [
                hotSwaps, remaps, refusedRemaps, abortedRemaps, bytes, dimmLinkBytes, gpuBytes,
            ]
            #expect(counts.allSatisfy { $0 == 0 }, sourceLocation: sourceLocation)
            #expect(imbalance == nil, sourceLocation: sourceLocation)
        }
    }

    struct Link: Decodable {
        let name: String
        let bytes: Int
    }

    let generatedTokens: [Int]
    let migrations: Migrations
    let links: [Link]

    init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(MovingDocument.self, from: Data(outcome.output))
    }
}

extension LaunchTests {
    /// Runs in which neurons change their DIMM or get a copy on the GPU, in real processes.
    @Suite struct MovingNeuronTests {
        private static let moving = [
            "--policy.rebalance", "window", "--policy.adjustment", "on",
        ]

        private func run(_ options: [String], tokens: Int = 40) throws -> Outcome {
            let outcome = try LaunchTests.start(
                [
                    "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                    "The library provides", "--tokens", "\(tokens)", "--json", "-",
                ] + options)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            return outcome
        }

        @Test(
            arguments: TestLevel.current == .plain ? ["4-dimm"] : ["4-dimm", "rtx4090-8dimm"],
            ["static", "window", "window-1.15", "lpt"])
        func `Neurons move between the workers and the tokens stay`(
            topology: String, rebalance: String
        ) throws {
            let still = try MovingDocument(run(["--topology", topology]))
            still.migrations.expectNothing()
            let moved = try MovingDocument(
                run(["--topology", topology, "--policy.rebalance", rebalance]))
            let migrations = moved.migrations
            #expect(moved.generatedTokens == still.generatedTokens)
            #expect(migrations.remaps > 0)
            #expect(migrations.hotSwaps == 0)
            #expect(migrations.abortedRemaps == 0)
            let crossed = moved.links.filter { $0.name.hasPrefix("dimm-link") }
                .reduce(0) { $0 + $1.bytes }
            #expect(crossed == migrations.dimmLinkBytes)
            #expect(migrations.bytes == crossed)
            #expect(try #require(migrations.imbalance).before >= 1)
            #expect(try #require(migrations.imbalance).after >= 1)
        }

        @Test(arguments: [
            ["--clock", "virtual"], ["--clock", "native"],
            ["--clock", "paced", "--dilation", "20", "--overrun-limit", "1"],
            ["--clock", "paced", "--overrun-limit", "1"],
        ])
        func `Under every clock the same neurons move`(clock: [String]) throws {
            let options = ["--topology", "4-dimm"] + Self.moving
            let expected = try MovingDocument(run(options))
            let found = try MovingDocument(run(options + clock))
            let (one, other) = (expected.migrations, found.migrations)
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(other.remaps == one.remaps)
            #expect(other.hotSwaps == one.hotSwaps)
            #expect(other.bytes == one.bytes)
            #expect(one.hotSwaps > 0)
            #expect(one.gpuBytes > 0)
        }

        @Test func `A predicted run moves neurons unless told otherwise, and computes the same`()
            throws
        {
            let moved = try MovingDocument(run(["--predicted"]))
            let still = try MovingDocument(
                run([
                    "--predicted", "--policy.rebalance", "none", "--policy.adjustment", "off",
                ]))
            still.migrations.expectNothing()
            #expect(moved.migrations.remaps > 0)
            #expect(moved.migrations.hotSwaps > 0)
            #expect(moved.generatedTokens == still.generatedTokens)
        }

        @Test func `Equal runs give equal bytes`() throws {
            let options = ["--topology", "4-dimm"] + Self.moving
            #expect(try withoutHost(run(options).output) == withoutHost(run(options).output))
        }

        @Test(.enabled(if: TestLevel.current >= .ci, "calibrates the default model: CI runs it"))
        func `A sparse run takes its rule along`() throws {
            _ = try DefaultModel.path()
            let arguments = [
                "run", "--prompt", "Tell me about rivers.", "--tokens", "14", "--ignore-eos",
                "--sparsity", "0.7", "--json", "-",
            ]
            let still = try LaunchTests.start(arguments)
            let moved = try LaunchTests.start(arguments + Self.moving)
            try #require(moved.ending == .exited(0), "\(moved.errors)")
            let document = try MovingDocument(moved)
            #expect(document.generatedTokens == (try MovingDocument(still)).generatedTokens)
            #expect(document.migrations.remaps > 0)
            #expect(document.migrations.hotSwaps > 0)
        }

        @Test func `One DIMM has nobody to give to, and DIMMs without links do not`() throws {
            for options in [
                ["--topology", "1-dimm"], ["--topology", "4-dimm", "--set", "dimm_links=none"],
            ] {
                let document = try MovingDocument(run(options + Self.moving, tokens: 12))
                let migrations = document.migrations
                #expect(migrations.remaps == 0)
                #expect((migrations.refusedRemaps > 0) == (options.count > 2))
            }
        }

        @Test(arguments: 0..<4)
        func `A worker that is killed while neurons move ends the run, and nothing stays`(
            dimm: Int
        ) throws {
            let launch = try Launch(
                [
                    "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                    "The library provides", "--tokens", "200", "--topology", "4-dimm",
                    "--clock", "paced", "--dilation", "400", "--overrun-limit", "1",
                    "--restarts", "0", "--policy.rebalance", "lpt", "--policy.adjustment", "on",
                ])
            launch.wait(for: "text") { !launch.outputSoFar.isEmpty }
            let workers = launch.workers
            try #require(workers.count == 4)
            usleep(200_000 + 130_000 * UInt32(dimm))
            kill(workers[dimm].identifier, SIGKILL)
            let outcome = launch.finish(within: .seconds(5))
            #expect(outcome.ending == .exited(75), "\(outcome.errors)")
            for word in ["DIMM \(dimm)", "\(workers[dimm].identifier)", "SIGKILL"] {
                #expect(outcome.errors.contains(word), "\(word): \(outcome.errors)")
            }
            #expect(ProcessTable.namedSegments().isEmpty)
        }

        @Test func `What a run cannot do is refused with the reason`() throws {
            try expectRefusal(
                ["run", "--policy.rebalance", "oracle"], code: 64,
                saying: ["oracle", "next token"])
            try expectRefusal(
                ["run", "--reference", "--policy.rebalance", "window"], code: 64,
                saying: ["--reference"])
            try expectRefusal(
                ["run", "--policy.rebalance", "often"], code: 64, saying: ["often"])
            try expectRefusal(
                ["run", "--policy.adjustment", "maybe"], code: 64, saying: ["maybe"])
        }
    }
}
