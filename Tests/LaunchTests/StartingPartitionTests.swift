import Foundation
import TestLevels
import TestModels
import Testing

/// What `run --json` says of the partition that it started with.
private struct PlacedDocument: Decodable {
    struct Policy: Decodable {
        struct Partition: Decodable {
            let name: String
            let source: String?
            let gap: Double?
        }

        /// Null in a run of one process.
        let partition: Partition?
    }

    struct DIMM: Decodable { let activeNeurons: Int }

    let generatedTokens: [Int]
    let policy: Policy
    let dimms: [DIMM]

    init(_ outcome: Outcome) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(PlacedDocument.self, from: Data(outcome.output))
    }
}

extension LaunchTests {
    /// `run --policy.partition`: where neurons are when a run starts changes time, not tokens.
    @Suite struct StartingPartitionTests {
        private static let choices = ["round-robin", "random", "frequency", "ilp"]

        /// Without synchronisation cost, so that a small model gains by hot neurons.
        private static let machine = ["--set", "gpu.synchronisation=0 ns"]

        private func document(
            _ model: TinyModelFile, _ options: [String]
        ) throws -> PlacedDocument {
            let outcome = try model.run(options + ["--json", "-"])
            try #require(outcome.ending == .exited(0), "\(options): \(outcome.errors)")
            return try PlacedDocument(outcome)
        }

        private func relu(_ options: [String]) throws -> PlacedDocument {
            let outcome = try LaunchTests.start(
                [
                    "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                    "The library provides", "--tokens", "24", "--json", "-",
                ] + options)
            try #require(outcome.ending == .exited(0), "\(options): \(outcome.errors)")
            return try PlacedDocument(outcome)
        }

        /// A partition of the tiny model, by a trace.
        private func partition(
            _ model: TinyModelFile, topology: String, method: String = "random",
            name: String = "made.partition"
        ) throws -> String {
            let trace = model.folder.entry("tiny.trace")
            let path = model.folder.entry(name)
            let source = try model.folder.write("tiny.npz", TinyArchive(layers: 2).bytes)
            for arguments in [
                ["record", "--import", source, "--output", trace],
                [
                    "partition", "--model", model.path, "--trace", trace, "--topology", topology,
                    "--method", method, "--output", path,
                ] + Self.machine,
            ] {
                let outcome = try LaunchTests.start(arguments, environment: model.environment)
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            }
            return path
        }

        @Test(
            arguments: TestLevel.current == .plain
                ? ["4-dimm"] : ["1-dimm", "4-dimm", "rtx4090-8dimm"])
        func `Whatever the partition, a ReLU model's tokens are the reference's`(
            topology: String
        ) throws {
            let expected = try relu(["--reference"])
            #expect(expected.policy.partition == nil)
            for choice in Self.choices {
                for machine in [[], Self.machine] {
                    let placed = try relu(
                        ["--topology", topology, "--policy.partition", choice] + machine)
                    #expect(placed.generatedTokens == expected.generatedTokens, "\(choice)")
                    let partition = try #require(placed.policy.partition)
                    #expect(partition.name == choice)
                    #expect(partition.source == (choice == "random" ? nil : "the prompt"))
                    #expect((partition.gap != nil) == (choice == "ilp"))
                }
            }
        }

        @Test(arguments: ["1-dimm", "4-dimm", "rtx4090-8dimm"])
        func `A written partition is what the workers load, and the tokens stay`(
            topology: String
        ) throws {
            let model = try TinyModelFile()
            let expected = try document(model, ["--reference"])
            let standard = try document(model, ["--topology", topology])
            for method in ["random", "ilp", "frequency"] {
                let path = try partition(model, topology: topology, method: method)
                let placed = try document(
                    model, ["--topology", topology, "--policy.partition", path])
                #expect(placed.generatedTokens == expected.generatedTokens, "\(method)")
                #expect(placed.policy.partition?.name == "file")
                #expect(placed.policy.partition?.source == path)
                if method == "random", topology != "1-dimm" {
                    // Other neurons are cold on each DIMM than by turns.
                    #expect(
                        placed.dimms.map(\.activeNeurons) != standard.dimms.map(\.activeNeurons))
                }
            }
        }

        @Test(arguments: [
            ["--clock", "native"],
            ["--clock", "paced", "--dilation", "20", "--overrun-limit", "1"],
            ["--policy.rebalance", "window", "--policy.adjustment", "on"],
            ["--sparsity", "0.5"],
        ])
        func `A partition goes with every clock, and neurons move on from it`(
            options: [String]
        ) throws {
            let model = try TinyModelFile()
            let path = try partition(model, topology: "4-dimm")
            let reference =
                options.first == "--sparsity" ? options + ["--reference"] : ["--reference"]
            let expected = try document(model, reference)
            for choice in [path, "ilp", "frequency"] {
                let placed = try document(
                    model, ["--topology", "4-dimm", "--policy.partition", choice] + options)
                #expect(placed.generatedTokens == expected.generatedTokens, "\(choice)")
            }
        }

        @Test func `A predicted run starts with it, and equal runs give equal bytes`() throws {
            let model = try TinyModelFile()
            let path = try partition(model, topology: "4-dimm")
            for choice in [path, "ilp", "random"] {
                let options = [
                    "--predicted", "--policy.predictor", "all-active", "--policy.partition",
                    choice, "--json", "-",
                ]
                let first = try model.run(options)
                try #require(first.ending == .exited(0), "\(first.errors)")
                #expect(try withoutHost(first.output) == withoutHost(model.run(options).output))
            }
        }

        // MARK: Refusals

        @Test func `A partition of another model or machine is refused by file and rule`() throws {
            let model = try TinyModelFile()
            let path = try partition(model, topology: "4-dimm")
            func refuses(
                _ file: TinyModelFile, _ options: [String], _ words: [String]
            ) throws {
                try expectRefusal(
                    file.arguments(["--policy.partition", path] + options), code: 65,
                    saying: ["made.partition"] + words, environment: file.environment)
            }
            try refuses(model, ["--topology", "2-dimm"], ["4 DIMMs", "has 2"])
            try refuses(model, ["--set", "policy.hot_share=0.1"], ["hot", "policy.hot_share"])
            try refuses(
                TinyModelFile(TinyLlama.build(layers: 3)), ["--topology", "4-dimm"],
                ["2 layers", "has 3"])
            try refuses(
                TinyModelFile(TinyLlama.build(feedForward: 128)), ["--topology", "4-dimm"],
                ["96 MLP neurons", "128"])
            try refuses(
                TinyModelFile(TinyLlama.build(seed: 99)), ["--topology", "4-dimm"], ["SHA-256"])
        }

        @Test func `What is no partition, or damaged, is refused`() throws {
            let model = try TinyModelFile()
            let path = try partition(model, topology: "4-dimm")
            var bytes = try [UInt8](Data(contentsOf: URL(filePath: path)))
            bytes[60] ^= 1
            for (name, content, word) in [
                ("flipped", bytes, "checksum"), ("cut", Array(bytes.prefix(20)), "ends early"),
                ("text", Array("not a partition, but long enough".utf8), "does not begin"),
            ] {
                let file = try model.folder.write(name, content)
                try expectRefusal(
                    model.arguments(["--policy.partition", file]), code: 65, saying: [name, word],
                    environment: model.environment)
            }
            try expectRefusal(
                model.arguments(["--policy.partition", "optimal"]), code: 65,
                saying: ["'optimal'"], environment: model.environment)
        }

        @Test(arguments: choices + ["some.partition"])
        func `A run of one process has nothing to place`(choice: String) throws {
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments(["--reference", "--policy.partition", choice]), code: 64,
                saying: ["--policy.partition"], environment: model.environment)
        }

        @Test func `A DIMM too small for its share of a partition is refused by name`() throws {
            let folder = try ScratchFolder()
            let (trace, path) = (folder.entry("relu.trace"), folder.entry("relu.partition"))
            let model = ["--model", ReLUModel.path]
            let machine = ["--topology", "2-dimm"]
            for arguments in [
                ["record"] + model + ["--tokens", "40", "--output", trace],
                ["partition"] + model + machine + ["--trace", trace, "--output", path],
            ] {
                let outcome = try LaunchTests.start(arguments)
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            }
            let run = ["run"] + model + machine + ["--prompt", "Hi", "--policy.partition", path]
            // 4.8 MB of neurons: more than two such DIMMs hold.
            try expectRefusal(
                run + ["--set", "dimm.memory=2 MiB"], code: 65,
                saying: ["relu.partition", "dimms[0]", "bytes"])
            try expectRefusal(
                ["run"] + model + machine + [
                    "--prompt", "Hi", "--policy.partition", "ilp", "--set", "dimm.memory=2 MiB",
                ], code: 65, saying: ["no placement exists", "DIMMs must hold all neurons"])
        }
    }
}
