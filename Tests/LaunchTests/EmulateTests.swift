import Foundation
import TestLevels
import Testing

/// What `emulate --json` says, as far as tests read it.
private struct EmulationDocument: Decodable {
    struct Seconds: Decodable {
        let emulated: Double?
        let prefill: Double?
        let decode: Double?
    }

    struct Rate: Decodable { let emulated: Double? }

    struct Predictor: Decodable {
        let accuracy: Double
        let computedShare: Double
        let density: Double
    }

    struct Migrations: Decodable {
        let hotSwaps: Int
        let remaps: Int
        let dimmLinkBytes: Int
        let gpuBytes: Int
    }

    struct Policy: Decodable {
        let adjustment: String
        let rebalance: String
        let window: Int
    }

    struct DIMM: Decodable {
        let index: Int
        let busySeconds: Double?
        let activeNeurons: Int
        let multiplyAccumulates: Int
        let neuronReadBytes: Int?
        let keyValueReadBytes: Int?
        let weightBytes: Int
    }

    struct Link: Decodable {
        let name: String
        let bytes: Int
    }

    let system: String
    let attentionSplit: String
    let policy: Policy?
    let unsupported: String?
    let seconds: Seconds?
    let tokensPerSecond: Rate?
    let breakdown: [String: Double]?
    let predictor: Predictor?
    let migrations: Migrations?
    let dimms: [DIMM]?
    let links: [Link]?

    init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(EmulationDocument.self, from: Data(outcome.output))
    }
}

extension LaunchTests {
    /// `emulate`: whole systems by their shape, in real processes.
    @Suite struct EmulateTests {
        private let folder: ScratchFolder
        private let model: String

        init() throws {
            folder = try ScratchFolder()
            model = try folder.write("small.yaml", SmallShape.text)
        }

        private func emulate(_ options: [String]) throws -> Outcome {
            let outcome = try LaunchTests.start(
                [
                    "emulate", "--model", model, "--prompt-tokens", "16", "--tokens", "12",
                    "--json", "-",
                ] + options)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            return outcome
        }

        private func document(_ options: [String]) throws -> EmulationDocument {
            try EmulationDocument(emulate(options))
        }

        static let processSystems = [
            "hermes", "hermes-host", "hermes-base", "hermes-random", "hermes-partition",
            "hermes-token-adjustment", "hermes-layer-adjustment", "hermes-adjustment",
        ]

        /// Every second one in a plain test.
        static let repeatedSystems = processSystems.enumerated()
            .filter { TestLevel.current > .plain || $0.offset % 2 == 0 }.map(\.element)

        @Test(arguments: repeatedSystems)
        func `Equal requests give equal bytes outside host`(system: String) throws {
            let options = ["--system", system, "--batch", "2", "--seed", "7"]
            let first = try withoutHost(emulate(options).output)
            #expect(try withoutHost(emulate(options).output) == first)
        }

        @Test(arguments: processSystems)
        func `The breakdown adds up to the run`(system: String) throws {
            let document = try document(["--system", system])
            let parts = try #require(document.breakdown)
            let total = try #require(document.seconds?.emulated)
            #expect(document.system == system)
            #expect(abs(parts.values.reduce(0, +) - total) < 1e-9)
            #expect(parts.values.allSatisfy { $0 >= 0 })
            let rate = try #require(document.tokensPerSecond?.emulated)
            #expect(abs(rate * total - 12) < 1e-6)
        }

        @Test func `A model's own activity takes the place of its family's`() throws {
            let own = try folder.write(
                "own.yaml",
                SmallShape.text + """

                    activity:
                      density: 0.05
                      frequent_share: 0.1
                      context_share: 0.7
                      longest_spell: 8
                      longest_context: 896
                      upsets_per_256: 24
                    """)
            // Of two models named, the last one counts.
            let sparse = try #require(document(["--model", own]).predictor)
            let family = try #require(document([]).predictor)
            #expect(abs(sparse.density - 0.05) < 0.02)
            #expect(sparse.density < family.density)
        }

        @Test func `The oracle computes who is active, hermes-base computes all`() throws {
            // No layer fits the GPU.
            let small = ["--set", "gpu.usable_memory=40MB"]
            let oracle = try document(["--policy.predictor", "oracle"] + small)
            let score = try #require(oracle.predictor)
            #expect(score.accuracy == 1)
            #expect(score.computedShare == score.density)
            let base = try document(["--system", "hermes-base"] + small)
            #expect(base.predictor == nil)
            let work = { (document: EmulationDocument) in
                document.dimms?.reduce(0) { $0 + $1.multiplyAccumulates } ?? 0
            }
            #expect(work(base) > work(oracle))
        }

        @Test func `Neurons move only where the system moves them`() throws {
            // Two synchronisations take longer than a layer this small: nothing would be hot.
            let quick = ["--set", "gpu.synchronisation=0 ns"]
            let still = try #require(
                document(["--system", "hermes-partition"] + quick).migrations)
            #expect(still.hotSwaps == 0)
            #expect(still.remaps == 0)
            let adjusted = try #require(
                document(["--system", "hermes-adjustment"] + quick).migrations)
            #expect(adjusted.hotSwaps > 0)
            #expect(adjusted.remaps == 0)
            let all = try document(quick + ["--policy.window", "3"])
            let policy = try #require(all.policy)
            #expect((policy.adjustment, policy.rebalance, policy.window) == ("both", "window", 3))
            #expect(all.attentionSplit == "heads")
            let moved = try #require(all.migrations)
            #expect(moved.remaps > 0)
            let linked = all.links?.filter { $0.name.hasPrefix("dimm-link") } ?? []
            #expect(linked.reduce(0) { $0 + $1.bytes } == moved.dimmLinkBytes)
        }

        /// A copy that makes the GPU later than the slowest DIMM would lengthen the token.
        @Test func `A GPU that is last gets no copies`() throws {
            let random = [
                "--system", "hermes-adjustment", "--policy.partition", "random",
                "--set", "gpu.synchronisation=0 ns",
            ]
            let fast = try #require(document(random).migrations)
            // A QKV neuron's 24 heads of 64, of two bytes; nobody knows who is next of these.
            let queryByteCount = 24 * 64 * 2
            #expect(fast.gpuBytes > fast.hotSwaps * queryByteCount)
            let slow = try #require(
                document(random + ["--set", "gpu.bandwidth=2 GB/s"]).migrations)
            #expect(slow.gpuBytes == slow.hotSwaps * queryByteCount)
        }

        /// Two sequences read the union of their neurons once and multiply each its own.
        @Test func `A batch costs less than its sequences one by one`() throws {
            let seconds = { (batch: String) in
                try document(["--batch", batch]).seconds?.decode ?? 0
            }
            let (one, four) = (try seconds("1"), try seconds("4"))
            #expect(four > one)
            #expect(four < 4 * one)
        }

        @Test func `Attention by positions occupies DIMMs that have no heads`() throws {
            let options = [
                "emulate", "--model", model, "--topology", "16-dimm", "--system",
                "hermes-partition", "--prompt-tokens", "1600", "--tokens", "4", "--json", "-",
            ]
            let byHeads = try EmulationDocument(LaunchTests.start(options))
            let bySequence = try EmulationDocument(
                LaunchTests.start(options + ["--attention.split", "sequence"]))
            let attention = { (document: EmulationDocument) in
                document.breakdown?["attention"] ?? 0
            }
            #expect(attention(bySequence) > 0)
            #expect(attention(bySequence) < attention(byHeads))
        }

        @Test func `A model that does not fit is not supported, and that is no error`() throws {
            let outcome = try LaunchTests.start(
                ["emulate", "--model", "llama2-70b", "--topology", "4-dimm", "--json", "-"])
            #expect(outcome.ending == .exited(0))
            let document = try EmulationDocument(outcome)
            #expect(document.unsupported?.contains("weights, keys and values") == true)
            #expect(document.seconds == nil)
        }

        @Test(arguments: [1, 16])
        func `Weights are read once for a batch, keys and values once for a KV head`(
            batch: Int
        ) throws {
            let document = try document(
                ["--system", "hermes-base", "--batch", "\(batch)"] + SmallShape.onDIMMs)
            let dimms = try #require(document.dimms)
            // Eleven of the twelve tokens are decoded, over 17 to 27 positions.
            #expect(
                dimms.reduce(0) { $0 + ($1.neuronReadBytes ?? 0) }
                    == 11 * SmallShape.neuronByteCount)
            #expect(
                dimms.reduce(0) { $0 + ($1.keyValueReadBytes ?? 0) }
                    == batch * (17...27).reduce(0, +) * SmallShape.rowByteCount)
        }

        @Test func `Without emulated time nobody says what would be read`() throws {
            let document = try document(["--system", "hermes-base", "--clock", "native"])
            #expect(document.dimms?.isEmpty == false)
            #expect(document.dimms?.allSatisfy { $0.neuronReadBytes == nil } == true)
        }

        private func obstacle(_ options: [String]) throws -> String? {
            let outcome = try LaunchTests.start(["emulate", "--json", "-"] + options)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            return try EmulationDocument(outcome).unsupported
        }

        @Test func `A host must hold weights, keys and values`() throws {
            // On a GPU that has room for the projections.
            let falcon = try obstacle([
                "--model", "falcon-180b", "--system", "hermes-host", "--set", "gpu.memory=80GB",
                "--set", "gpu.usable_memory=72GB",
            ])
            #expect(falcon?.contains("the host's 192 GB are less than the 3") == true)
            #expect(falcon?.contains("weights, keys and values") == true)
        }

        /// Weights of 138 GB; a position's keys and values are 0.33 MB for each sequence.
        @Test(arguments: [
            ("hermes-host", "the host's 192 GB"), ("hermes", "the DIMMs'"),
            ("accelerate", "the GPU's usable memory"),
        ])
        func `Memory must hold the keys and values of long sequences`(
            system: String, place: String
        ) throws {
            let reason = try obstacle([
                "--model", "llama2-70b", "--system", system, "--batch", "16",
                "--prompt-tokens", "32000", "--tokens", "4",
            ])
            #expect(reason?.contains(place) == true, "\(reason ?? "it ran")")
        }

        @Test func `Rotary positions go on beyond the context, with a remark`() throws {
            let options = [
                "emulate", "--model", model, "--prompt-tokens", "8192", "--tokens", "4",
                "--json", "-",
            ]
            for system in ["hermes", "hermes-base"] {
                let outcome = try LaunchTests.start(
                    options + ["--system", system] + SmallShape.onDIMMs)
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                let remarks = outcome.errors.split(separator: "\n").filter {
                    $0.contains("Small: 8192 + 4 tokens are more than the context of 2048")
                }
                #expect(remarks.count == 1, "\(outcome.errors)")
                let dimms = try #require(EmulationDocument(outcome).dimms)
                #expect(
                    dimms.reduce(0) { $0 + ($1.keyValueReadBytes ?? 0) }
                        == (8193 + 8194 + 8195) * SmallShape.rowByteCount)
            }
            let within = try emulate(["--system", "hermes-base"])
            #expect(!within.errors.contains("context"))
        }

        @Test(arguments: ["emulate", "stress"])
        func `Learned positions end with the context, prompts at 32768`(command: String) throws {
            let long = [command, "--prompt-tokens", "2000", "--tokens", "49"]
            try expectRefusal(
                long + ["--model", "opt-13b"], code: 65, saying: ["2048", "learned"])
            try expectRefusal(
                [command, "--model", model, "--prompt-tokens", "32769", "--tokens", "9"],
                code: 65, saying: ["2048", "32768"])
        }

        @Test func `The window's length says when neurons move`() throws {
            let remaps = { (window: String) in
                try document([
                    "--set", "gpu.synchronisation=0 ns", "--policy.window", window,
                ]).migrations?.remaps
            }
            let often = try remaps("2")
            #expect(try #require(often) > 0)
            // No window ends within eleven tokens.
            #expect(try remaps("12") == 0)
        }

        @Test func `A recorded activity is replayed`() throws {
            let shape =
                SmallShape.text
                .replacing("layers: 4 ", with: "layers: 6 ")
                .replacing("hidden: 1024", with: "hidden: 192 ")
                .replacing("feed_forward: 4096", with: "feed_forward: 768 ")
                .replacing("query_heads: 16", with: "query_heads: 6 ")
                .replacing("key_value_heads: 4", with: "key_value_heads: 6")
                .replacing("head: 64", with: "head: 32")
            let model = try folder.write("relu-opt-3m.yaml", shape)
            let trace = folder.entry("relu.trace")
            let recorded = try LaunchTests.start(
                ["record", "--model", ReLUModel.path, "--tokens", "100", "--output", trace])
            try #require(recorded.ending == .exited(0), "\(recorded.errors)")
            let options = [
                "emulate", "--model", model, "--replay", trace, "--prompt-tokens", "20",
                "--tokens", "40", "--policy.predictor", "oracle", "--json", "-",
            ]
            let outcome = try LaunchTests.start(options)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try EmulationDocument(outcome)
            // QKV of this model is never zero: 192 of 960 neurons, and little of the MLP.
            let share = try #require(document.predictor).computedShare
            #expect(share > 0.2 && share < 0.35)
            try expectRefusal(
                options.filter { $0 != "40" && $0 != "--tokens" } + ["--tokens", "90"], code: 65,
                saying: ["relu.trace", "100 tokens", "20 + 90"])
            try expectRefusal(
                ["emulate", "--model", self.model, "--replay", trace], code: 65,
                saying: ["relu.trace", "4 layers"])
        }

        @Test func `Paced, real memory is driven and time is the emulated one`() throws {
            let virtual = try document(["--system", "hermes-partition"])
            let outcome = try emulate([
                "--system", "hermes-partition", "--clock", "paced", "--dilation", "3000",
                "--overrun-limit", "1",
            ])
            let paced = try EmulationDocument(outcome)
            #expect(paced.seconds?.emulated == virtual.seconds?.emulated)
            #expect(outcome.text.contains("\"seconds_paced\""))
        }

        @Test func `Bad requests name what is wrong`() throws {
            try expectRefusal(
                ["emulate", "--model", "gpt-5"], code: 65, saying: ["gpt-5", "llama2-70b"])
            try expectRefusal(
                ["emulate", "--model", model, "--policy.window", "0"], code: 64,
                saying: ["--policy.window", "1 to 65535"])
            try expectRefusal(
                ["emulate", "--model", model, "--batch", "0"], code: 64, saying: ["--batch"])
            try expectRefusal(
                ["emulate", "--model", model, "--system", "flexgen", "--clock", "paced"],
                code: 64, saying: ["flexgen", "schedule"])
        }

        @Test func `A killed worker ends the emulation, and nothing is left`() throws {
            let launch = try Launch([
                "emulate", "--model", "opt-13b", "--prompt-tokens", "16", "--tokens", "128",
                "--restarts", "0",
            ])
            launch.wait(for: "eight workers") { launch.workers.count == 8 }
            launch.workers.last.map { _ = kill($0.identifier, SIGKILL) }
            let outcome = launch.finish()
            #expect(outcome.ending == .exited(75))
            #expect(outcome.errors.contains("worker"))
        }
    }
}
