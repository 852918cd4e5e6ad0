import Foundation
import SeededRandom
import TestLevels
import TestModels
import Testing

extension LaunchTests {
    /// Model files that are not what they say: refused by name, place and rule with code 65,
    /// before anything is started.
    @Suite struct BadModelTests {
        /// One way to be wrong, and what the message must say besides the file's name.
        struct Fault: Sendable, CustomTestStringConvertible {
            let name: String
            let words: [String]
            let bytes: @Sendable () -> [UInt8]

            var testDescription: String { name }

            init(_ name: String, _ words: [String], _ bytes: @escaping @Sendable () -> [UInt8]) {
                self.name = name
                self.words = words
                self.bytes = bytes
            }

            /// The same of the OPT architecture.
            static func editOPT(
                _ name: String, _ words: [String],
                _ change: @escaping @Sendable (inout GGUFBuilder) -> Void
            ) -> Fault {
                Fault(name, words) {
                    var builder = TinyOPT.builder()
                    change(&builder)
                    return builder.build()
                }
            }

            /// A valid file, changed before it is written.
            static func edit(
                _ name: String, _ words: [String],
                _ change: @escaping @Sendable (inout GGUFBuilder) -> Void
            ) -> Fault {
                Fault(name, words) {
                    var builder = TinyLlama.builder()
                    change(&builder)
                    return builder.build()
                }
            }
        }

        static let containers: [Fault] = [
            Fault("empty", ["empty"]) { [] },
            Fault("three bytes", []) { Array("GGU".utf8) },
            Fault("text", ["GGUF"]) { Array(String(repeating: "no model ", count: 99).utf8) },
            Fault("header cut", []) { Array(TinyLlama.build().prefix(20)) },
            Fault("metadata cut", []) { Array(TinyLlama.build().prefix(2_000)) },
            Fault("last byte cut", ["tensor"]) { TinyLlama.build().dropLast() },
            .edit("version 4", ["version", "4"]) { $0.version = 4 },
            .edit("version 1", ["version", "1"]) { $0.version = 1 },
            .edit("other byte order", []) { $0.version = 0x0300_0000 },
            .edit("too many keys", []) { $0.declaredKeyCount = .max },
            .edit("too many tensors", []) { $0.declaredTensorCount = 1 << 40 },
        ]

        static let contents: [Fault] = [
            .edit("other architecture", ["gpt2", "llama, opt"]) {
                $0["general.architecture"] = .text("gpt2")
            },
            .edit("no architecture", ["general.architecture"]) {
                $0["general.architecture"] = nil
            },
            .edit("unsupported type", ["blk.0.ffn_up.weight", "Q6_K"]) {
                $0.editTensor("blk.0.ffn_up.weight") { $0.typeCode = 14 }
            },
            .edit("unknown type", ["blk.0.ffn_up.weight", "4000"]) {
                $0.editTensor("blk.0.ffn_up.weight") { $0.typeCode = 4_000 }
            },
            .edit("tensor past the end", ["output_norm.weight"]) {
                $0.editTensor("output_norm.weight") { $0.declaredOffset = 1 << 30 }
            },
            .edit("offset overflows", ["output_norm.weight"]) {
                $0.editTensor("output_norm.weight") { $0.declaredOffset = UInt64.max - 31 }
            },
            .edit("size overflows", ["blk.1.attn_q.weight"]) {
                $0.editTensor("blk.1.attn_q.weight") { $0.dimensions = [1 << 33, 1 << 33] }
            },
            .edit("tensor missing", ["blk.1.ffn_down.weight"]) {
                $0.removeTensor("blk.1.ffn_down.weight")
            },
            .edit("tensor of another shape", ["blk.0.attn_k.weight"]) {
                $0.editTensor("blk.0.attn_k.weight") { $0.dimensions = [32, 64] }
            },
        ]

        static let opt: [Fault] = [
            .editOPT("OPT tensor missing", ["blk.1.ffn_down.weight", "missing"]) {
                $0.removeTensor("blk.1.ffn_down.weight")
            },
            .editOPT("OPT bias missing", ["blk.0.ffn_up.bias", "missing"]) {
                $0.removeTensor("blk.0.ffn_up.bias")
            },
            .editOPT("OPT norm of another length", ["output_norm.bias", "shape"]) {
                $0.editTensor("output_norm.bias") { $0.dimensions = [32] }
            },
            .editOPT("OPT position table too short", ["position_embd.weight", "shape"]) {
                $0["opt.context_length"] = .uint32(258)
            },
            .editOPT("OPT down of another shape", ["blk.0.ffn_down.weight", "shape"]) {
                $0.editTensor("blk.0.ffn_down.weight") { $0.dimensions = [64, 96] }
            },
            .editOPT("OPT with a gate", ["blk.0.ffn_gate.weight", "opt"]) {
                $0.tensors.append(
                    .init(
                        name: "blk.0.ffn_gate.weight", typeCode: 0, dimensions: [8],
                        bytes: [UInt8](repeating: 0, count: 32)))
            },
            .editOPT("OPT without epsilon", ["opt.attention.layer_norm_epsilon"]) {
                $0["opt.attention.layer_norm_epsilon"] = nil
            },
        ]

        static let metadata: [Fault] = [
            .edit("no layers", ["llama.block_count"]) { $0["llama.block_count"] = .uint32(0) },
            .edit("four thousand million layers", []) {
                $0["llama.block_count"] = .uint32(.max)
            },
            .edit("no heads", ["head_count"]) {
                $0["llama.attention.head_count"] = .uint32(0)
            },
            .edit("heads that do not divide", ["head_count"]) {
                $0["llama.attention.head_count"] = .uint32(3)
            },
            .edit("more key heads than heads", ["head_count_kv"]) {
                $0["llama.attention.head_count_kv"] = .uint32(8)
            },
            .edit("no context", ["context_length"]) {
                $0["llama.context_length"] = .uint32(0)
            },
            .edit("hidden size as text", ["embedding_length"]) {
                $0["llama.embedding_length"] = .text("64")
            },
            .edit("epsilon not a number", ["epsilon"]) {
                $0["llama.attention.layer_norm_rms_epsilon"] = .float32(.nan)
            },
            .edit("rotation base negative", ["freq_base"]) {
                $0["llama.rope.freq_base"] = .float32(-1)
            },
            .edit("tokenizer missing", ["tokenizer.ggml.model"]) {
                $0["tokenizer.ggml.model"] = nil
            },
            .edit("tokenizer unknown", ["bert"]) {
                $0["tokenizer.ggml.model"] = .text("bert")
            },
            .edit("pre-tokenizer unknown", ["chaos"]) {
                $0["tokenizer.ggml.pre"] = .text("chaos")
            },
            .edit("too few tokens", ["token"]) {
                $0["tokenizer.ggml.tokens"] = .strings([[65], [66]])
                $0["tokenizer.ggml.token_type"] = .int32s([1, 1])
            },
            .edit("end token outside the vocabulary", ["eos_token_id"]) {
                $0["tokenizer.ggml.eos_token_id"] = .uint32(70_000)
            },
        ]

        @Test(arguments: containers + contents + opt + metadata)
        func `A wrong model file is refused`(fault: Fault) throws {
            let folder = try ScratchFolder()
            let path = try folder.write("wrong.gguf", fault.bytes())
            try expectRefusal(
                ["run", "--raw", "--model", path, "--prompt", "Hello"], code: 65,
                saying: ["wrong.gguf"] + fault.words,
                environment: ["XDG_CACHE_HOME": folder.entry("cache")])
        }

        @Test func `A model that is no readable file is refused by name`() throws {
            let folder = try ScratchFolder()
            let pipe = folder.entry("pipe.gguf")
            try expectRefusal(
                ["run", "--model", folder.entry("none.gguf")], code: 65,
                saying: ["none.gguf", "No such file"])
            try expectRefusal(
                ["run", "--model", folder.path], code: 65, saying: [folder.path, "directory"])
            try expectRefusal(
                ["run", "--model", pipe], code: 65, saying: ["pipe.gguf", "pipe"],
                script: "mkfifo '\(pipe)'; exec \"$0\" \"$@\"")
            try expectRefusal(
                ["run", "--model", "/dev/zero"], code: 65, saying: ["/dev/zero", "device"])
            try expectRefusal(["run", "--model", ""], code: 65, saying: ["model file"])
            try expectRefusal(
                ["calibrate", "--model", folder.entry("none.gguf")], code: 65,
                saying: ["none.gguf"])
        }

        @Test func `Without the default model, the message says how to get it`() throws {
            let folder = try ScratchFolder()
            try expectRefusal(
                ["run"], code: 69, saying: ["launch/setup --with-model", folder.path],
                environment: ["XDG_CACHE_HOME": folder.path])
        }

        /// Whatever single byte of the head is damaged, the program ends by its own decision.
        @Test func `A damaged byte never crashes the program`() throws {
            let bytes = TinyLlama.build(layers: 1, hidden: 32, feedForward: 32)
            let folder = try ScratchFolder()
            var random = SplitMix64(seed: 11)
            for _ in 0..<(TestLevel.current == .plain ? 40 : 400) {
                var damaged = bytes
                let place = Int(random.next() % UInt64(12_000))
                damaged[place] = UInt8(truncatingIfNeeded: random.next())
                let path = try folder.write("damaged.gguf", damaged)
                let outcome = try LaunchTests.start(
                    [
                        "run", "--raw", "--model", path, "--prompt", "Hi", "--tokens", "2",
                        "--topology", "2-dimm",
                    ], environment: ["XDG_CACHE_HOME": folder.entry("cache")])
                guard case .exited(let code) = outcome.ending, [0, 65, 69].contains(code) else {
                    Issue.record("byte \(place): \(outcome.ending): \(outcome.errors)")
                    continue
                }
            }
        }
    }
}
