import Foundation
import Testing

extension LaunchTests {
    /// Help, version and the topology commands.
    @Suite struct HelpTests {
        private static let commands = [
            [], ["run"], ["emulate"], ["reproduce"], ["sweep"], ["stress"], ["calibrate"],
            ["record"],
            ["policy"], ["partition"], ["topology"], ["topology", "show"], ["topology", "check"],
            ["topology", "synthesize"], ["doctor"], ["numa"], ["worker"],
        ]

        @Test(arguments: commands)
        func `Every command explains itself on stdout`(command: [String]) throws {
            let outcome = try LaunchTests.start(command + ["--help"])
            #expect(outcome.ending == .exited(0))
            #expect(outcome.text.contains("USAGE"))
            #expect(outcome.errors.isEmpty)
            #expect(!outcome.text.contains("\u{1B}"))
        }

        /// An example that names a topology must name one that is there.
        @Test(arguments: [[], ["run"], ["partition"], ["topology"]])
        func `Examples name topologies that exist`(command: [String]) throws {
            let help = try LaunchTests.start(command + ["--help"]).text
            let words = help.split(whereSeparator: \.isWhitespace)
            for (word, next) in zip(words, words.dropFirst())
            where word == "--topology" && !next.hasPrefix("<") && next != "Topology:" {
                let outcome = try LaunchTests.start(["topology", "check", String(next)])
                #expect(outcome.ending == .exited(0), "\(next): \(outcome.errors)")
            }
        }

        @Test func `run's help names every predictor and every constant`() throws {
            let help = try LaunchTests.start(["run", "--help"]).text
            for word in [
                "--exact", "--predicted", "--evaluate", "--quality", "--no-quality", "--feedback",
                "--policy.predictor", "--policy.predictor.parents", "--policy.predictor.lambda",
                "--policy.predictor.threshold", "--policy.predictor.hot-threshold",
                "--policy.predictor.gain", "--policy.predictor.decay",
                "--policy.predictor.unobserved", "combined-jaccard", "combined-conditional",
                "layer-jaccard", "layer-conditional", "token", "same-as-last-token",
                "prefill-frequency", "all-active", "none-active", "oracle", "observed", "full",
                "held", "decremented",
            ] where !help.contains(word) {
                Issue.record("'\(word)' is not in the help")
            }
        }

        @Test func `--version names version and revision`() throws {
            let outcome = try LaunchTests.start(
                ["--version"], environment: ["HERMES_REVISION": "abc1234"])
            #expect(outcome.ending == .exited(0))
            #expect(outcome.errors.isEmpty)
            let expression = try Regex(#"^[0-9]+\.[0-9]+\.[0-9]+ \(revision abc1234\)\n$"#)
            #expect(outcome.text.contains(expression), "\(outcome.text)")
        }

        @Test(arguments: ReferenceTokenTests.topologies)
        func `A topology as shown is a topology file, and shows as itself`(name: String) throws {
            let shown = try LaunchTests.start(["topology", "show", name])
            #expect(shown.ending == .exited(0), "\(shown.errors)")
            let folder = try ScratchFolder()
            let path = try folder.write("shown.yaml", shown.output)
            let checked = try LaunchTests.start(["topology", "check", path])
            #expect(checked.ending == .exited(0), "\(checked.errors)")
            #expect(checked.text.hasPrefix("ok: "))
            #expect(try LaunchTests.start(["topology", "show", path]).text == shown.text)
            let piped = try LaunchTests.start(
                ["topology", "check", "/dev/stdin"],
                script: "cat '\(path)' | \"$0\" \"$@\"")
            #expect(piped.ending == .exited(0), "\(piped.errors)")
        }

        @Test func `A folder with the name of a shipped topology does not hide it`() throws {
            let folder = try ScratchFolder()
            _ = try folder.write("4-dimm/notes.txt", "")
            let outcome = try LaunchTests.start(
                ["topology", "check"], script: "cd '\(folder.path)' && exec \"$0\" \"$@\"")
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
        }

        @Test func `Overrides show, and results of both commands come as JSON`() throws {
            let shown = try LaunchTests.start(
                ["topology", "show", "4-dimm", "--set", "dimm.memory=64 GiB", "--json", "-"])
            let document = try JSONSerialization.jsonObject(with: Data(shown.output))
            let topology = (document as? [String: Any])?["topology"] as? [String: String]
            #expect(topology?.values.contains("64 GiB") == true, "\(shown.text)")
            let checked = try LaunchTests.start(["topology", "check", "4-dimm", "--json", "-"])
            let verdict = try JSONSerialization.jsonObject(with: Data(checked.output))
            #expect((verdict as? [String: Any])?["ok"] as? Bool == true)
        }
    }
}
