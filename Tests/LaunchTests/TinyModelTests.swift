import TestLevels
import TestModels
import Testing
import WeightFormats

extension LaunchTests {
    /// Small models of every kind, whose sharded runs must equal the reference's.
    @Suite struct TinyModelTests {
        /// Topologies by DIMM count: 16 is more than any of these models has heads.
        private static var topologies: [String] {
            TestLevel.current > .plain
                ? ReferenceTokenTests.topologies : ["4-dimm", "16-dimm"]
        }

        private func expectShardsEqualReference(
            _ bytes: [UInt8], on topologies: [String], options: [String] = [], _ label: String
        ) throws {
            let model = try TinyModelFile(bytes)
            let options = options + ["--json", "-"]
            let reference = try model.run(options + ["--reference"])
            try #require(reference.ending == .exited(0), "\(label): \(reference.errors)")
            let expected = try reference.document()
            #expect(Set(expected.generatedTokens).count > 1, "\(label): a text of one token")
            for topology in topologies {
                let sharded = try model.run(options + ["--topology", topology])
                try #require(
                    sharded.ending == .exited(0), "\(label), \(topology): \(sharded.errors)")
                expectAgreement(
                    of: try sharded.document(), with: expected.generatedTokens,
                    margins: expected.logitMargins, within: 1e-4, "\(label), \(topology)")
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func `Every weight format, sharded, equals the reference`(format: WeightFormat) throws {
            try expectShardsEqualReference(
                TinyLlama.build(format: format, isOutputTied: false),
                on: TestLevel.current > .plain ? ["1-dimm", "4-dimm", "16-dimm"] : ["4-dimm"],
                "\(format)")
        }

        @Test(arguments: WeightFormat.allCases)
        func `Every weight format follows the activity rule alike`(format: WeightFormat) throws {
            try expectShardsEqualReference(
                TinyLlama.build(format: format, seed: 5, isOutputTied: false),
                on: TestLevel.current > .plain ? ["2-dimm", "rtx4090-8dimm"] : ["2-dimm"],
                options: ["--sparsity", "0.5"], "\(format), sparse")
        }

        @Test(arguments: [(1, 1), (4, 1), (4, 4), (6, 3), (6, 2), (16, 16)])
        func `Heads with keys of their own and shared ones are spread right`(
            heads: Int, kvHeads: Int
        ) throws {
            try expectShardsEqualReference(
                TinyLlama.build(
                    hidden: heads * 8, heads: heads, kvHeads: kvHeads, isOutputTied: false),
                on: Self.topologies, "\(heads) heads over \(kvHeads)")
        }

        @Test(arguments: [WeightFormat.f32, .f16, .bf16])
        func `Sizes that fill no block, and no vector, come out right`(
            format: WeightFormat
        ) throws {
            try expectShardsEqualReference(
                TinyLlama.build(
                    layers: 3, hidden: 42, heads: 3, kvHeads: 3, feedForward: 77,
                    vocabulary: 271, format: format, isOutputTied: false),
                on: Self.topologies, "odd sizes, \(format)")
        }

        @Test func `DIMMs without a neuron or a head serve all the same`() throws {
            try expectShardsEqualReference(
                TinyLlama.build(
                    layers: 1, hidden: 8, heads: 1, kvHeads: 1, feedForward: 3,
                    isOutputTied: false),
                on: ["4-dimm", "16-dimm"], "fewer neurons than DIMMs")
        }

        @Test func `One layer and an output matrix of its own are enough`() throws {
            try expectShardsEqualReference(
                TinyLlama.build(
                    layers: 1, format: .q8_0, embeddingFormat: .f16, isOutputTied: false),
                on: ["1-dimm", "4-dimm"], "one layer")
        }

        @Test(arguments: ["0", "1"])
        func `Whether no neuron is hot or every one, the text is the same`(
            share: String
        ) throws {
            try expectShardsEqualReference(
                TinyLlama.build(), on: ["1-dimm", "4-dimm"], "hot share 0.2")
            let model = try TinyModelFile()
            let expected = try model.run(["--json", "-", "--reference"]).document()
            let outcome = try model.run(["--json", "-", "--set", "policy.hot_share=\(share)"])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            expectAgreement(
                of: try outcome.document(), with: expected.generatedTokens,
                margins: expected.logitMargins, within: 1e-4, "hot share \(share)")
        }

        @Test func `A prompt of many batches is handed over whole`() throws {
            let prompt = String(repeating: "Rows, banks and ranks. ", count: 30)
            try expectShardsEqualReference(
                TinyLlama.build(kvHeads: 1, isOutputTied: false, contextLength: 1024),
                on: ["2-dimm", "16-dimm"],
                options: ["--prompt", prompt], "long prompt")
        }

        @Test func `Generation stops where the context is full`() throws {
            let model = try TinyModelFile(contextLength: 16)
            for options in [[], ["--reference"]] {
                let outcome = try model.run(
                    options + [
                        "--prompt", "ten bytes.", "--tokens", "9223372036854775807",
                        "--json", "-",
                    ])
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                let document = try outcome.document()
                #expect(document.promptTokens.count == 10)
                // Six more positions take six tokens; the last pass gives one more.
                #expect(document.generatedTokens.count == 7)
                #expect(document.stopReason == "context")
            }
            let full = try model.run(["--prompt", "sixteen bytes ..", "--json", "-"])
            #expect(try full.document().generatedTokens.count == 1)
        }
    }
}
