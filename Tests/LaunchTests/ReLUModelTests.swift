import Foundation
import TestModels
import Testing

extension LaunchTests {
    /// A real model whose neurons are exactly zero most of the time: the OPT architecture.
    @Suite struct ReLUModelTests {
        /// Every prompt on 1, 4 and 8 DIMMs in emulated time; one prompt on the other clocks. A
        /// paced run's tokens must be right however busy the machine is, so it may be late.
        static let ways: [[String]] = [
            ["--reference"],
            ["--topology", "1-dimm"],
            ["--topology", "4-dimm"],
            ["--topology", "rtx4090-8dimm"],
            ["--topology", "4-dimm", "--clock", "native"],
            [
                "--topology", "4-dimm", "--clock", "paced", "--dilation", "20",
                "--overrun-limit", "1",
            ],
        ]

        private func arguments(_ prompt: String, tokens: Int) -> [String] {
            [
                "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt", prompt,
                "--tokens", "\(tokens)", "--json", "-",
            ]
        }

        @Test(arguments: ways, 0..<3)
        func `Every way to run it gives the independent forward pass's tokens`(
            way: [String], index: Int
        ) throws {
            let expected = try ReLUModel.load().prompts[index]
            let outcome = try LaunchTests.start(
                arguments(expected.prompt, tokens: expected.generatedIds.count) + way)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try outcome.document()
            #expect(document.promptTokens == expected.promptIds)
            expectAgreement(
                of: document, with: expected.generatedIds, margins: expected.top1Margin,
                within: 2e-3, "\(way.joined(separator: " ")), prompt \(index)")
            if document.generatedTokens == expected.generatedIds {
                #expect(document.text == expected.text)
            }
            // 47 steps of 6 layers; 192 QKV and 768 MLP neurons, most of the latter at rest.
            let active = document.dimms.reduce(0) { $0 + $1.activeNeurons }
            let isReference = way == ["--reference"]
            #expect(isReference ? active == 0 : active > 0)
            #expect(active < 47 * 6 * (192 + 768 / 4))
        }

        @Test func `Equal runs give equal bytes`() throws {
            let arguments =
                arguments("The library provides", tokens: 12) + ["--topology", "4-dimm"]
            let first = try LaunchTests.start(arguments)
            let second = try LaunchTests.start(arguments)
            try #require(first.ending == .exited(0), "\(first.errors)")
            #expect(try withoutHost(first.output) == withoutHost(second.output))
        }

        @Test func `Leaving out neurons of a model without gates is refused with the reason`()
            throws
        {
            try expectRefusal(
                ["run", "--model", ReLUModel.path, "--prompt", "Hi", "--sparsity", "0.5"],
                code: 65, saying: ["relu-opt-3m.gguf", "--sparsity", "opt", "ReLU"])
            try expectRefusal(
                [
                    "run", "--model", ReLUModel.path, "--prompt", "Hi", "--sparsity", "0.5",
                    "--reference",
                ], code: 65, saying: ["relu-opt-3m.gguf", "--sparsity"])
            let folder = try ScratchFolder()
            try expectRefusal(
                ["calibrate", "--model", ReLUModel.path, "--output", folder.entry("c")], code: 65,
                saying: ["relu-opt-3m.gguf", "calibrate", "opt", "ReLU"])
        }

        @Test func `The family has no chat: a prompt is completed as it stands, and that is said`()
            throws
        {
            let arguments = arguments("memory: the", tokens: 4)
            let raw = try LaunchTests.start(arguments)
            let plain = try LaunchTests.start(arguments.filter { $0 != "--raw" })
            try #require(plain.ending == .exited(0), "\(plain.errors)")
            #expect(try plain.document().promptTokens == raw.document().promptTokens)
            #expect(try plain.document().generatedTokens == raw.document().generatedTokens)
            #expect(plain.errors.contains("no chat template"))
            #expect(!raw.errors.contains("no chat template"))
        }

        @Test func `A down projection stored by neurons gives the same text`() throws {
            var texts: [[UInt8]] = []
            for isDownTransposed in [false, true] {
                let model = try TinyModelFile(
                    TransposablePair.builder(isDownTransposed: isDownTransposed).build())
                let outcome = try model.run(["--topology", "2-dimm"])
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                texts.append(outcome.output)
            }
            #expect(texts[0] == texts[1])
        }
    }
}

/// One model, stored both ways.
private enum TransposablePair {
    static func builder(isDownTransposed: Bool) -> GGUFBuilder {
        var builder = TinyOPT.builder()
        guard isDownTransposed else { return builder }
        for position in builder.tensors.indices {
            let name = String(decoding: builder.tensors[position].name, as: UTF8.self)
            guard name.hasSuffix("ffn_down.weight") else { continue }
            let tensor = builder.tensors[position]
            let (columns, rows) = (Int(tensor.dimensions[0]), Int(tensor.dimensions[1]))
            var bytes: [UInt8] = []
            for column in 0..<columns {
                for row in 0..<rows {
                    let start = 4 * (row * columns + column)
                    bytes += tensor.bytes[start..<start + 4]
                }
            }
            let stem = name.dropLast("ffn_down.weight".count)
            builder.tensors[position].name = Array("\(stem)ffn_down_t.weight".utf8)
            builder.tensors[position].dimensions = [UInt64(rows), UInt64(columns)]
            builder.tensors[position].bytes = bytes
        }
        return builder
    }
}
