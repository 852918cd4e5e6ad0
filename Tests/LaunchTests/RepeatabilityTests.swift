import Foundation
import Testing

extension LaunchTests {
    /// What equal runs share, and what the two ways out (text, JSON) carry.
    @Suite struct RepeatabilityTests {
        private static let request = [
            "run", "--raw", "--ignore-eos", "--prompt", "The capital of France is", "--tokens",
            "12",
        ]

        @Test(arguments: [[], ["--temperature", "0.8", "--seed", "7"]])
        func `Two equal runs give the same bytes outside host`(options: [String]) throws {
            _ = try DefaultModel.path()
            let arguments = Self.request + options + ["--json", "-"]
            let first = try LaunchTests.start(arguments)
            let second = try LaunchTests.start(arguments)
            try #require(first.ending == .exited(0), "\(first.errors)")
            #expect(try withoutHost(first.output) == withoutHost(second.output))
            #expect(
                first.output != second.output, "host should tell the two processes apart")
        }

        @Test func `Another seed draws another text`() throws {
            let model = try TinyModelFile()
            let texts = try (0..<3).map { seed in
                try model.run(["--temperature", "2", "--seed", "\(seed)", "--json", "-"])
                    .document().generatedTokens
            }
            #expect(Set(texts).count == 3)
        }

        @Test func `Two runs at once both give the right tokens`() throws {
            _ = try DefaultModel.path()
            let text = ReferenceText.all[0]
            let arguments = ReferenceTokenTests.arguments(text, tokens: 24)
            let first = try Launch(arguments + ["--topology", "4-dimm"])
            let second = try Launch(arguments + ["--topology", "2-dimm"])
            for outcome in [first.finish(), second.finish()] {
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                expectAgreement(
                    of: try outcome.document(),
                    with: Array(text.generatedTokens.prefix(24)), margins: text.margins,
                    within: 2e-3,
                    "two at once")
            }
        }

        @Test func `Text goes to stdout, the summary to stderr, and neither has escape codes`()
            throws
        {
            let model = try TinyModelFile()
            let outcome = try model.run([])
            #expect(outcome.ending == .exited(0))
            let document = try model.run(["--json", "-"]).document()
            #expect(outcome.text == document.text + "\n")
            #expect(outcome.errors.contains("tokens/s"))
            #expect(outcome.errors.contains("imbalance"))
            #expect(!outcome.errors.contains("\u{1B}"))
        }

        @Test func `With --json - stdout is one JSON document and nothing else`() throws {
            let model = try TinyModelFile()
            let outcome = try model.run(["--json", "-"])
            let document = try outcome.document()
            #expect(document.generatedTokens.count == TinyModelFile.tokenCount)
            #expect(document.dimms.map(\.index) == [0, 1, 2, 3])
            #expect(outcome.output.first == UInt8(ascii: "{"))
            #expect(outcome.output.suffix(2) == Array("}\n".utf8))
        }

        @Test func `With --json FILE the text streams to stdout and the file holds the result`()
            throws
        {
            let model = try TinyModelFile()
            let path = model.folder.entry("new/folder/result.json")
            let outcome = try model.run(["--json", path])
            let file = try Data(contentsOf: URL(filePath: path))
            #expect(outcome.text == (try RunDocument([UInt8](file)).text) + "\n")
            #expect(model.folder.files(under: "new") == ["folder", "folder/result.json"])
        }

        @Test func `A JSON result goes through a link and into a pipe and replaces neither`() throws
        {
            let model = try TinyModelFile()
            let target = try model.folder.write("target.json", "old")
            let link = model.folder.entry("link.json")
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: target)
            #expect(try model.run(["--json", link]).ending == .exited(0))
            let kind = try FileManager.default.attributesOfItem(atPath: link)[.type]
            #expect(kind as? FileAttributeType == .typeSymbolicLink)
            let written = try Data(contentsOf: URL(filePath: target))
            #expect(throws: Never.self) { try RunDocument([UInt8](written)) }

            let pipe = try model.folder.makePipe("pipe")
            let copy = model.folder.entry("copy.json")
            let outcome = try model.run(
                ["--json", pipe],
                script: "cat '\(pipe)' >'\(copy)' & \"$0\" \"$@\"; code=$?; "
                    // Whoever replaced the pipe has left its reader waiting.
                    + "test -p '\(pipe)' || { kill %1; exit 99; }; wait; exit $code")
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let copied = try Data(contentsOf: URL(filePath: copy))
            #expect(throws: Never.self) { try RunDocument([UInt8](copied)) }
        }

        @Test func `A full disk under stdout is an error, not a lost result`() throws {
            let model = try TinyModelFile()
            for options in [["--json", "-"], []] {
                let outcome = try model.run(options, script: #"exec "$0" "$@" >/dev/full"#)
                #expect(outcome.ending == .exited(69), "\(options)")
                #expect(outcome.errors.contains("No space left"), "\(outcome.errors)")
            }
        }

        @Test func `Closed standard streams harm neither the run nor its result`() throws {
            let model = try TinyModelFile()
            let expected = try model.run(["--json", "-"]).document().generatedTokens
            for closing in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
                let path = model.folder.entry("result.json")
                let outcome = try model.run(
                    ["--json", path], script: "exec \"$0\" \"$@\" \(closing)")
                #expect(outcome.ending == .exited(0), "\(closing): \(outcome.errors)")
                let file = try Data(contentsOf: URL(filePath: path))
                #expect(try RunDocument([UInt8](file)).generatedTokens == expected, "\(closing)")
                try FileManager.default.removeItem(atPath: path)
            }
        }

        @Test func `A reader that closes stdout early ends the run quietly`() throws {
            let model = try TinyModelFile(contextLength: 4096)
            let script = #""$0" "$@" | head -c 1 >/dev/null; exit "${PIPESTATUS[0]}""#
            let outcome = try model.run(
                ["--tokens", "4000"], script: script, within: .seconds(30))
            // 141: ended by SIGPIPE, as `cat` would be.
            #expect(outcome.ending == .exited(141), "\(outcome.errors)")
            #expect(outcome.errors.isEmpty, "\(outcome.errors)")
        }
    }
}
