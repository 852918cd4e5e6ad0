import Foundation
import TestModels
import Testing

extension LaunchTests {
    /// `partition`: placements that are solved, written, read and shown.
    @Suite struct PartitionCommandTests {
        /// Without synchronisation cost, so that a tiny model gains by hot neurons.
        private static let machine = [
            "--topology", "2-dimm", "--set", "gpu.synchronisation=0 ns",
        ]

        private let model: TinyModelFile
        private let trace: String

        init() throws {
            model = try TinyModelFile()
            trace = model.folder.entry("tiny.trace")
            try record(TinyArchive(layers: 2), as: trace)
        }

        private func record(_ archive: TinyArchive, as path: String) throws {
            let source = try model.folder.write("tiny.npz", archive.bytes)
            let outcome = try LaunchTests.start(
                ["record", "--import", source, "--output", path])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
        }

        private func solved(_ arguments: [String]) throws -> PartitionDocument {
            let outcome = try LaunchTests.start(
                ["partition"] + arguments + ["--json", "-"], environment: model.environment)
            try #require(outcome.ending == .exited(0), "\(arguments): \(outcome.errors)")
            return try PartitionDocument.read(outcome.output)
        }

        private var ofModel: [String] { ["--model", model.path, "--trace", trace] + Self.machine }

        @Test func `What is written shows as what was solved`() throws {
            let file = model.folder.entry("tiny.partition")
            let made = try solved(ofModel + ["--output", file])
            #expect(made.layers == 2 && made.blocksPerLayer == 2)
            #expect(made.blocks.map(\.neurons) == [64, 96, 64, 96])
            // At most a fifth of each block, as the topology has it.
            #expect(made.blocks.map(\.hot) == [12, 19, 12, 19])
            #expect(made.dimms.map(\.neurons).reduce(0, +) == 320)
            let shown = try solved(["--show", file])
            #expect(shown.blocks == made.blocks && shown.dimms == made.dimms)
            let text = try LaunchTests.start(["partition", "--show", file])
            #expect(text.ending == .exited(0) && text.text.contains("2 DIMMs"), "\(text.text)")
        }

        @Test func `No method undercuts the bound, and the solver is the best`() throws {
            let results = try ["ilp", "frequency", "random"].map {
                try solved(ofModel + ["--method", $0])
            }
            for result in results {
                let cost = try #require(result.objective?.secondsPerToken)
                let bound = try #require(result.bound?.secondsPerToken)
                #expect(bound > 0 && cost >= bound)
                #expect(try abs(#require(result.gap) - (cost / bound - 1)) < 1e-9)
            }
            let costs = results.compactMap { $0.objective?.secondsPerToken }
            #expect(costs[0] <= costs[1] && costs[1] < costs[2], "\(costs)")
        }

        @Test func `Equal input gives equal placements`() throws {
            for method in ["ilp", "frequency", "random"] {
                let files = try ["first", "second"].map { name in
                    let path = model.folder.entry(name)
                    _ = try solved(ofModel + ["--method", method, "--output", path])
                    return try Data(contentsOf: URL(filePath: path))
                }
                #expect(files[0] == files[1], "\(method)")
            }
        }

        @Test func `A synthetic model is placed within a thousandth of the best`() throws {
            let result = try solved([
                "--synthetic", "llama2", "--layers", "4", "--hidden", "512", "--mlp", "1792",
                "--qkv-width", "640", "--set", "gpu.synchronisation=0 ns", "--set",
                "gpu.usable_memory=70 MB",
            ])
            #expect(try #require(result.gap) < 0.001)
            #expect(result.blocks.map(\.hot).reduce(0, +) > 0)
        }

        @Test func `Tables for people name objective, bound and gap`() throws {
            let outcome = try LaunchTests.start(
                ["partition"] + ofModel, environment: model.environment)
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            for word in ["Objective", "Bound", "hot", "qkv", "mlp", "2-dimm"] {
                #expect(outcome.text.contains(word), "\(word)")
            }
        }

        // MARK: Refusals

        @Test func `A trace of another model is refused`() throws {
            let other = model.folder.entry("other.trace")
            for (archive, words) in [
                (TinyArchive(layers: 3), ["3 layers", "2"]),
                (TinyArchive(layers: 2, neurons: 64), ["64 neurons", "'mlp'", "96"]),
                (TinyArchive(layers: 2, tokens: 0, prefill: 0), ["no tokens"]),
            ] {
                try record(archive, as: other)
                try expectRefusal(
                    ["partition", "--model", model.path, "--trace", other], code: 65,
                    saying: ["other.trace"] + words, environment: model.environment)
            }
        }

        @Test func `A machine that is too small is refused`() throws {
            let shape = [
                "partition", "--synthetic", "opt", "--layers", "8", "--hidden", "512", "--mlp",
                "2048",
            ]
            try expectRefusal(
                shape + ["--topology", "1-dimm", "--set", "dimm.memory=32 MiB"], code: 65,
                saying: ["no placement exists", "DIMMs must hold all neurons"])
            try expectRefusal(
                shape + ["--set", "gpu.usable_memory=4 MB"], code: 65, saying: ["dense part"])
        }

        @Test func `A damaged placement is refused`() throws {
            let file = model.folder.entry("whole.partition")
            _ = try solved(ofModel + ["--output", file])
            let whole = try Array(Data(contentsOf: URL(filePath: file)))
            var flipped = whole
            flipped[whole.count / 2] ^= 1
            for (bytes, word) in [
                ([], "ends early"), (flipped, "checksum"), (whole.dropLast(), "checksum"),
                (Array("something else entirely, and long".utf8), "does not begin like one"),
            ] {
                let path = try model.folder.write("bad.partition", Array(bytes))
                try expectRefusal(
                    ["partition", "--show", path], code: 65, saying: ["bad.partition", word])
            }
            try expectRefusal(["partition", "--show", trace], code: 65, saying: ["tiny.trace"])
        }

        @Test(arguments: [
            ([], "--trace"), (["--trace", "x", "--show", "y"], "one of"),
            (["--show", "x", "--output", "y"], "--output"),
            (["--synthetic", "llama2"], "--layers"), (["--synthetic", "gpt"], "falcon"),
            (["--trace", "x", "--layers", "2"], "--synthetic"),
            (["--trace", "x", "--method", "guess"], "frequency"),
            (
                [
                    "--synthetic", "opt", "--layers", "2", "--hidden", "64", "--mlp", "64",
                    "--qkv-width", "63",
                ], "--qkv-width"
            ),
        ])
        func `A wrong command line is a usage error`(
            arguments: [String], word: String
        ) throws {
            try expectRefusal(["partition"] + arguments, code: 64, saying: [word])
        }
    }
}

/// What `partition --json` promises.
private struct PartitionDocument: Decodable {
    struct Block: Decodable, Equatable { let layer, block, neurons, hot: Int }

    struct DIMM: Decodable, Equatable { let index, neurons: Int }

    struct Time: Decodable { let secondsPerToken: Double }

    let layers, blocksPerLayer: Int
    let blocks: [Block]
    let dimms: [DIMM]
    let objective: Time?
    let bound: Time?
    let gap: Double?

    static func read(_ bytes: [UInt8]) throws -> PartitionDocument {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(PartitionDocument.self, from: Data(bytes))
    }
}
