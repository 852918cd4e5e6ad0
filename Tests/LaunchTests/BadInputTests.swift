import Foundation
import TestModels
import Testing

extension LaunchTests {
    /// Wrong arguments, topologies and prompts: a message that says what and where, the right
    /// code, nothing on stdout, nothing left behind.
    @Suite struct BadInputTests {
        @Test(arguments: [
            (["run", "--bogus"], "Unknown option '--bogus'"),
            (["bogus"], "bogus"),
            (["run", "--sparsity", "-0.1"], "--sparsity"),
            (["run", "--sparsity", "1"], "--sparsity"),
            (["run", "--sparsity", "nan"], "--sparsity"),
            (["run", "--sparsity", "much"], "--sparsity"),
            (["run", "--tokens", "0"], "--tokens"),
            (["run", "--tokens", "-3"], "--tokens"),
            (["run", "--tokens", "9223372036854775808"], "--tokens"),
            (["run", "--temperature", "-1"], "--temperature"),
            (["run", "--temperature", "nan"], "--temperature"),
            (["run", "--temperature", "inf"], "--temperature"),
            (["run", "--seed", "-1"], "--seed"),
            (["run", "--clock", "sundial"], "native"),
            (["run", "--log-level", "loud"], "warning"),
            (["run", "--set", "policy"], "path=value"),
            (["calibrate", "--text", "words"], "--output"),
            (["topology", "show", "4-dimm", "--topology", "2-dimm"], "once"),
            (["worker", "--session", "x"], "--session"),
        ])
        func `A wrong command line is a usage error`(
            arguments: [String], word: String
        ) throws {
            try expectRefusal(arguments, code: 64, saying: [word])
        }

        @Test(arguments: [
            ("channels: []", ["bad.yaml:3", "channels", "at least one"]),
            ("channels: [{ node: 0, rate: 1 GB/s, dimms: [] }]", ["bad.yaml:3", "dimms"]),
            (
                "chanels: [{ node: 0, rate: 1 GB/s, dimms: [0] }]",
                ["bad.yaml:3", "chanels", "did you mean 'channels'"]
            ),
            (
                "channels:\n  - { node: 0, rat: 1 GB/s, dimms: [0] }",
                ["bad.yaml:4", "rat", "did you mean 'rate'"]
            ),
            ("channels: [{ node: 0, rate: -1 GB/s, dimms: [0] }]", ["bad.yaml:3", "negative"]),
            ("channels: [{ node: 0, rate: 1 parsec, dimms: [0] }]", ["bad.yaml:3", "parsec"]),
            ("channels: [", ["bad.yaml"]),
        ])
        func `A wrong topology is refused by line, key and rule`(
            text: String, words: [String]
        ) throws {
            let folder = try ScratchFolder()
            let path = try folder.write("bad.yaml", "format: 1\nname: bad\n\(text)\n")
            try expectRefusal(["run", "--topology", path], code: 65, saying: words)
            try expectRefusal(["topology", "check", path], code: 65, saying: words)
        }

        @Test func `A node that this machine does not have is refused`() throws {
            let folder = try ScratchFolder()
            let path = try folder.write(
                "far.yaml",
                "format: 1\nname: far\nchannels: [{ node: 1023, rate: 1 GB/s, dimms: [0] }]\n")
            let words = ["far.yaml:3", "1023", "this machine has node"]
            try expectRefusal(["topology", "check", path], code: 65, saying: words)
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments(["--topology", path]), code: 65, saying: words,
                environment: model.environment)
        }

        @Test func `A topology that cannot be read is refused by name`() throws {
            let folder = try ScratchFolder()
            try expectRefusal(
                ["run", "--topology", "no-such"], code: 65, saying: ["no-such", "4-dimm"])
            try expectRefusal(
                ["topology", "check", folder.entry("none.yaml")], code: 65,
                saying: ["none.yaml", "No such file"])
            try expectRefusal(
                ["topology", "check", folder.path], code: 65, saying: [folder.path, "directory"])
            let binary = try folder.write("binary.yaml", [0xFF, 0xFE, 0, 1])
            try expectRefusal(
                ["topology", "check", binary], code: 65, saying: ["binary.yaml", "UTF-8"])
            let empty = try folder.write("empty.yaml", "")
            try expectRefusal(
                ["topology", "check", empty], code: 65, saying: ["empty.yaml", "empty"])
            try expectRefusal(
                ["topology", "check", "/dev/zero"], code: 65, saying: ["/dev/zero", "larger"])
        }

        @Test func `A topology without room for the model is refused`() throws {
            let model = try TinyModelFile(
                TinyLlama.build(layers: 4, hidden: 128, feedForward: 512))
            for (override, word) in [
                ("dimm.memory=1 MiB", "dimms[0]"), ("gpu.usable_memory=4 kB", "gpu"),
            ] {
                try expectRefusal(
                    model.arguments(["--topology", "1-dimm", "--set", override]), code: 65,
                    saying: [word],
                    environment: model.environment)
            }
        }

        // MARK: Prompts

        @Test func `An empty prompt is refused, wherever it comes from`() throws {
            let model = try TinyModelFile()
            let empty = try model.folder.write("empty.txt", "")
            for prompt in ["", "@\(empty)", "-"] {
                try expectRefusal(
                    model.arguments(["--prompt", prompt]), code: 65, saying: ["empty"],
                    environment: model.environment)
            }
        }

        @Test func `A prompt that is not UTF-8 is refused, wherever it comes from`() throws {
            let model = try TinyModelFile()
            let bytes: [UInt8] = [0x41, 0xFF, 0x42]
            let file = try model.folder.write("latin.txt", bytes)
            try expectRefusal(
                model.arguments(["--prompt", "@\(file)"]), code: 65,
                saying: ["latin.txt", "UTF-8"], environment: model.environment)
            try expectRefusal(
                model.arguments(["--prompt", "-"]), code: 65, saying: ["standard input", "UTF-8"],
                environment: model.environment, input: .bytes(bytes))
            try expectRefusal(
                ["run", "--model", model.path, "--raw"], code: 65, saying: ["UTF-8"],
                script: #"exec "$0" "$@" --prompt $'A\xffB'"#, environment: model.environment)
        }

        @Test func `A prompt file that cannot be read is refused by name`() throws {
            let model = try TinyModelFile()
            let missing = model.folder.entry("none.txt")
            try expectRefusal(
                model.arguments(["--prompt", "@\(missing)"]), code: 65,
                saying: ["none.txt", "No such file"], environment: model.environment)
            try expectRefusal(
                model.arguments(["--prompt", "@\(model.folder.path)"]), code: 65,
                saying: ["directory"], environment: model.environment)
            try expectRefusal(
                model.arguments(["--prompt", "@"]), code: 65, saying: ["prompt file"],
                environment: model.environment)
        }

        @Test func `Standard input that cannot be read is an error, not a crash`() throws {
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments(["--prompt", "-"]), code: 65, saying: ["standard input"],
                script: #"exec "$0" "$@" </"#, environment: model.environment)
            // Closed: nothing to read.
            try expectRefusal(
                model.arguments(["--prompt", "-"]), code: 65, saying: ["empty"],
                script: #"exec "$0" "$@" <&-"#, environment: model.environment)
        }

        @Test func `Endless input is refused before it fills the memory`() throws {
            let model = try TinyModelFile()
            for prompt in ["@/dev/zero", "-"] {
                try expectRefusal(
                    model.arguments(["--prompt", prompt]), code: 65, saying: ["larger"],
                    script: #"ulimit -v 1500000; exec "$0" "$@" </dev/zero"#,
                    environment: model.environment)
            }
        }

        @Test func `A prompt from a pipe, a file and an argument gives the same text`() throws {
            let model = try TinyModelFile()
            let file = try model.folder.write("prompt.txt", "Grüße, DIMM.")
            let texts = try [
                model.run(["--prompt", "Grüße, DIMM.", "--json", "-"]),
                model.run(["--prompt", "@\(file)", "--json", "-"]),
                LaunchTests.start(
                    model.arguments(["--prompt", "-", "--json", "-"]),
                    environment: model.environment, input: .bytes(Array("Grüße, DIMM.".utf8))),
                model.run(
                    ["--json", "-", "--prompt", "-"],
                    script: #"printf 'Grüße, DIMM.' | "$0" "$@""#),
                model.run(
                    ["--json", "-", "--prompt", "@/dev/stdin"],
                    script: #"printf 'Grüße, DIMM.' | "$0" "$@""#),
            ].map { try $0.document().generatedTokens }
            #expect(Set(texts).count == 1)
        }

        @Test func `A prompt longer than the context is refused, one as long is not`() throws {
            let model = try TinyModelFile(contextLength: 32)
            let longest = String(repeating: "x", count: 32)
            #expect(try model.run(["--prompt", longest]).ending == .exited(0))
            try expectRefusal(
                model.arguments(["--prompt", longest + "x"]), code: 65,
                saying: ["33 tokens", "context", "32"], environment: model.environment)
            try expectRefusal(
                model.arguments(["--prompt", longest + "x", "--reference"]), code: 65,
                saying: ["33 tokens"], environment: model.environment)
        }

        @Test func `A chat prompt needs a model with a chat template`() throws {
            let model = try TinyModelFile()
            try expectRefusal(
                ["run", "--model", model.path], code: 65, saying: ["chat template", "--raw"],
                environment: model.environment)
        }

        @Test func `A result that cannot be written is refused before the work`() throws {
            let model = try TinyModelFile(contextLength: 4096)
            let file = try model.folder.write("file", "")
            for path in [model.folder.path, file + "/result.json", "/proc/none/result.json", ""] {
                try expectRefusal(
                    model.arguments(["--json", path, "--tokens", "4000"]), code: 69,
                    saying: ["cannot write '\(path)'"], environment: model.environment)
            }
        }
    }
}
