import Foundation
import Testing

extension LaunchTests {
    /// `run --predicted` and `run --evaluate`, as their users see them.
    @Suite struct PredictedModeTests {
        private static let text = String(
            repeating: "The library provides a function that reads the file. ", count: 8)

        private func members(_ outcome: Outcome) throws -> [String: Any] {
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            return try #require(document as? [String: Any])
        }

        private func object(_ members: [String: Any], _ key: String) throws -> [String: Any] {
            try #require(members[key] as? [String: Any], "\(key) is no object")
        }

        private func number(_ members: [String: Any], _ key: String) throws -> Double {
            try #require(members[key] as? Double, "\(key) is no number")
        }

        /// The small ReLU model, evaluated on a short text.
        private func evaluate(_ options: [String]) throws -> [String: Any] {
            let folder = try ScratchFolder()
            let path = try folder.write("text.txt", Self.text)
            return try members(
                LaunchTests.start(
                    ["run", "--model", ReLUModel.path, "--evaluate", path, "--json", "-"]
                        + options, environment: ["XDG_CACHE_HOME": folder.entry("cache")]))
        }

        @Test func `A model with gates is predicted at a sparsity, with parents recorded once`()
            throws
        {
            let model = try TinyModelFile()
            let options = ["--predicted", "--topology", "2-dimm", "--json", "-"]
            let first = try model.run(options)
            let document = try members(first)
            #expect(first.errors.contains("sparsity 0.7"))
            #expect(first.errors.contains("recording the model's activity"))
            #expect(first.errors.contains("combined-jaccard"))
            #expect(document["mode"] as? String == "predicted")
            #expect(try number(document, "sparsity") == 0.7)
            let predictor = try object(document, "predictor")
            for key in ["accuracy", "precision", "recall", "f1", "computed_share"] {
                let value = try number(predictor, key)
                #expect(value >= 0 && value <= 1, "\(key)")
            }
            #expect(try object(predictor, "constants")["unobserved"] as? String == "held")
            #expect(try number(object(predictor, "host"), "seconds_per_token") > 0)
            #expect((predictor["layers"] as? [Any])?.count ?? 0 > 1)
            let quality = try object(document, "quality")
            #expect(try number(quality, "positions") == Double(TinyModelFile.tokenCount - 1))
            #expect(try number(quality, "kl_mean") >= 0)
            #expect(try number(quality, "agreement") <= 1)
            #expect(quality["perplexity"] is NSNull)
            let second = try model.run(options)
            #expect(!second.errors.contains("recording"))
            #expect(try withoutHost(second.output) == withoutHost(first.output))
        }

        @Test func `A damaged recording is made again`() throws {
            let model = try TinyModelFile()
            let options = ["--predicted", "--no-quality", "--json", "-"]
            let expected = try model.run(options)
            let folder = "cache/hermes-emulator/activity"
            let files = model.folder.files(under: folder)
            try #require(files.count == 1, "\(files)")
            let path = model.folder.entry(folder) + "/" + files[0]
            let whole = try Data(contentsOf: URL(filePath: path))
            try whole.dropLast(9).write(to: URL(filePath: path))
            let again = try model.run(options)
            #expect(again.errors.contains("recording"))
            #expect(try withoutHost(again.output) == withoutHost(expected.output))
            #expect(try Data(contentsOf: URL(filePath: path)) == whole)
        }

        @Test func `Without quality nothing is claimed, and the tokens are the same`() throws {
            let model = try TinyModelFile()
            let scored = try members(model.run(["--predicted", "--json", "-"]))
            let quick = try members(model.run(["--predicted", "--no-quality", "--json", "-"]))
            #expect(quick["quality"] is NSNull)
            let predictor = try object(quick, "predictor")
            for key in ["accuracy", "precision", "recall", "f1", "layers"] {
                #expect(predictor[key] is NSNull, "\(key)")
            }
            #expect(
                try number(predictor, "computed_share")
                    == number(object(scored, "predictor"), "computed_share"))
            #expect(
                quick["generated_tokens"] as? [Int] == scored["generated_tokens"] as? [Int])
        }

        @Test(arguments: ["all-active", "oracle"])
        func `A ReLU model loses nothing where every active neuron is computed`(
            predictor: String
        ) throws {
            let document = try evaluate(
                ["--predicted", "--policy.predictor", predictor, "--topology", "4-dimm"])
            let quality = try object(document, "quality")
            #expect(try number(quality, "agreement") == 1)
            #expect(try number(quality, "kl_mean") < 1e-6)
            #expect(abs(try number(quality, "perplexity_ratio") - 1) < 1e-4)
            let figures = try object(document, "predictor")
            #expect(try number(figures, "recall") == 1)
            if predictor == "oracle" { #expect(try number(figures, "f1") == 1) }
            #expect(document["stop_reason"] as? String == "evaluated")
            #expect((document["generated_tokens"] as? [Int])?.isEmpty == true)
        }

        @Test func `Predicting no one costs quality, a real predictor less`() throws {
            func divergence(_ options: [String]) throws -> Double {
                try number(object(evaluate(["--predicted"] + options), "quality"), "kl_mean")
            }
            let nobody = try divergence(["--policy.predictor", "none-active"])
            let jaccard = try divergence([])
            #expect(nobody > 0.05)
            #expect(jaccard < nobody)
        }

        @Test func `Feedback of the truth is more than a run knows`() throws {
            func recall(_ feedback: String) throws -> Double {
                let document = try evaluate(["--predicted", "--feedback", feedback])
                let predictor = try object(document, "predictor")
                #expect(predictor["feedback"] as? String == feedback)
                return try number(predictor, "recall")
            }
            #expect(try recall("full") > recall("observed"))
        }

        @Test func `An exact sparse run is evaluated too, up to a number of tokens`() throws {
            let model = try TinyModelFile()
            let text = try model.folder.write("text.txt", Self.text)
            for mode in [[], ["--reference"]] {
                let outcome = try LaunchTests.start(
                    [
                        "run", "--model", model.path, "--evaluate", text, "--sparsity", "0.5",
                        "--tokens", "12", "--json", "-",
                    ] + mode, environment: model.environment)
                let document = try members(outcome)
                #expect(document["predictor"] is NSNull)
                let quality = try object(document, "quality")
                #expect(try number(quality, "positions") == 12)
                let dense = try number(quality, "perplexity_dense")
                #expect(dense > 1)
                let expected = try number(quality, "perplexity") / dense
                let ratio = try number(quality, "perplexity_ratio")
                #expect(abs(ratio - expected) < 1e-12 * expected)
            }
        }

        @Test func `Parents come from a trace, if it is one of this model's shape`() throws {
            let model = try TinyModelFile()
            _ = try model.run(["--predicted", "--json", "-"])
            let folder = "cache/hermes-emulator/activity"
            let trace =
                model.folder.entry(folder) + "/" + model.folder.files(under: folder)[0]
            let own = try members(
                model.run(["--predicted", "--policy.predictor.parents", trace, "--json", "-"]))
            #expect(try object(own, "predictor")["parents"] as? String == trace)
            try expectRefusal(
                [
                    "run", "--model", ReLUModel.path, "--raw", "--predicted",
                    "--policy.predictor.parents", trace,
                ], code: 65, saying: ["layers of", "the model has 6 of 768"])
            let broken = try model.folder.write("broken.trace", "HERMES")
            try expectRefusal(
                model.arguments(["--predicted", "--policy.predictor.parents", broken]), code: 65,
                saying: ["broken.trace"], environment: model.environment)
        }

        @Test(arguments: [
            (["--exact", "--predicted"], "exclude"),
            (["--reference", "--predicted"], "--reference"),
            (["--policy.predictor", "token"], "needs --predicted"),
            (["--feedback", "full"], "needs --predicted"),
            (["--predicted", "--policy.predictor", "psychic"], "psychic"),
            (["--predicted", "--policy.predictor.lambda", "16"], "lambda"),
            (["--predicted", "--policy.predictor.threshold", "46"], "T is 46"),
            (["--predicted", "--sparsity", "1"], "0.99"),
            (["--predicted", "--sparsity", "0"], "nothing to predict"),
            (["--evaluate", "x.txt", "--clock", "paced"], "--evaluate"),
            (["--evaluate", "x.txt", "--no-quality"], "--no-quality"),
        ])
        func `What makes no sense is refused`(options: [String], word: String) throws {
            let model = try TinyModelFile()
            let outcome = try model.run(options)
            #expect(outcome.ending == .exited(64), "\(outcome.errors)")
            #expect(outcome.errors.contains(word), "\(outcome.errors)")
        }

        @Test func `A text that cannot be evaluated is refused`() throws {
            let folder = try ScratchFolder()
            let short = try folder.write("short.txt", "a")
            let binary = try folder.write("binary.txt", [0xFF, 0xFE, 0x00] as [UInt8])
            for (path, words) in [
                (short, ["fewer than 4 tokens"]), (binary, ["not valid UTF-8"]),
                (folder.entry("none.txt"), ["none.txt"]),
            ] {
                try expectRefusal(
                    ["run", "--model", ReLUModel.path, "--evaluate", path], code: 65,
                    saying: words)
            }
            try expectRefusal(
                ["run", "--model", ReLUModel.path, "--raw", "--predicted", "--sparsity", "0.5"],
                code: 65, saying: ["--sparsity"])
        }
    }
}
