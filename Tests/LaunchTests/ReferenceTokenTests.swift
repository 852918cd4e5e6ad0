import TestLevels
import Testing

extension LaunchTests {
    /// The default model's text, sharded over any number of DIMMs, is the independent engine's.
    @Suite struct ReferenceTokenTests {
        static let topologies = ["1-dimm", "2-dimm", "4-dimm", "rtx4090-8dimm", "16-dimm"]

        /// Every prompt on every topology; a plain test takes every prompt on one topology and
        /// one prompt on each of the others.
        static var cases: [(topology: String, text: Int)] {
            topologies.enumerated().flatMap { place, topology in
                ReferenceText.all.indices.filter { text in
                    TestLevel.current > .plain || topology == "4-dimm"
                        || text == place % ReferenceText.all.count
                }.map { (topology, $0) }
            }
        }

        static func arguments(_ text: ReferenceText, tokens: Int = 64) -> [String] {
            [
                "run", "--raw", "--exact", "--temperature", "0", "--ignore-eos", "--prompt",
                text.prompt, "--tokens", "\(tokens)", "--json", "-",
            ]
        }

        @Test(arguments: ReferenceText.all.indices)
        func `The reference gives the independent engine's tokens and text`(index: Int) throws {
            _ = try DefaultModel.path()
            let text = ReferenceText.all[index]
            let outcome = try LaunchTests.start(Self.arguments(text) + ["--reference"])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try outcome.document()
            #expect(document.promptTokens == text.promptTokens)
            expectAgreement(
                of: document, with: text.generatedTokens, margins: text.margins, within: 2e-3,
                "reference")
            if document.generatedTokens == text.generatedTokens {
                #expect(document.text == text.text)
            }
            #expect(document.mode == "reference")
            #expect(document.dimms.isEmpty)
        }

        @Test(arguments: cases)
        func `Sharded runs give the independent engine's tokens`(
            topology: String, index: Int
        ) throws {
            _ = try DefaultModel.path()
            let text = ReferenceText.all[index]
            let outcome = try LaunchTests.start(Self.arguments(text) + ["--topology", topology])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try outcome.document()
            #expect(document.promptTokens == text.promptTokens)
            expectAgreement(
                of: document, with: text.generatedTokens, margins: text.margins, within: 2e-3,
                "\(topology), prompt \(index)")
            #expect(document.dimms.allSatisfy { $0.activeNeurons > 0 }, "a DIMM had no cold work")
        }

        @Test(
            .enabled(if: TestLevel.current >= .ci, "calibrates the default model: CI runs it"),
            arguments: ReferenceText.all.indices)
        func `With 70 % of the neurons left out, sharded and reference still agree`(
            index: Int
        ) throws {
            _ = try DefaultModel.path()
            let arguments = Self.arguments(ReferenceText.all[index]) + ["--sparsity", "0.7"]
            let outcome = try LaunchTests.start(arguments + ["--reference"], within: .seconds(300))
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let expected = try outcome.document()
            for topology in Self.topologies {
                let sharded = try LaunchTests.start(arguments + ["--topology", topology])
                try #require(sharded.ending == .exited(0), "\(sharded.errors)")
                expectAgreement(
                    of: try sharded.document(), with: expected.generatedTokens,
                    margins: expected.logitMargins, within: 2e-3,
                    "sparse, \(topology), prompt \(index)")
            }
        }
    }
}
