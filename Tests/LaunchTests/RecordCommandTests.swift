import Foundation
import Testing

extension LaunchTests {
    /// `record` of a real model, and what reads its traces.
    @Suite struct RecordCommandTests {
        private struct Document: Decodable {
            struct Trace: Decodable {
                let tokens: Int
                let prefillTokens: Int
            }

            let trace: Trace
            let density: Double
            let parents: [String]
        }

        private func record(_ model: TinyModelFile, _ options: [String]) throws -> Outcome {
            try LaunchTests.start(
                ["record", "--output", model.folder.entry("a.trace"), "--json", "-"] + options,
                environment: model.environment, within: .seconds(60))
        }

        private func document(_ outcome: Outcome) throws -> Document {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Document.self, from: Data(outcome.output))
        }

        @Test func `A model with gates is recorded at a sparsity, twice with the same bytes`()
            throws
        {
            let model = try TinyModelFile()
            let options = [
                "--model", model.path, "--tokens", "60", "--prefill", "20", "--sparsity", "0.5",
            ]
            let outcome = try record(model, options)
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let recorded = try document(outcome)
            #expect(recorded.trace.tokens == 60)
            #expect(recorded.trace.prefillTokens == 20)
            #expect(recorded.density > 0.2 && recorded.density < 0.8)
            #expect(recorded.parents == ["conditional", "jaccard"])
            let path = URL(filePath: model.folder.entry("a.trace"))
            let first = try Data(contentsOf: path)
            #expect(try record(model, options).ending == .exited(0))
            #expect(try Data(contentsOf: path) == first)
        }

        @Test func `A recorded trace gives predicted runs their parents and can be scored`() throws
        {
            let model = try TinyModelFile()
            _ = try record(
                model, ["--model", model.path, "--tokens", "60", "--prefill", "20"])
            let trace = model.folder.entry("a.trace")
            let run = try model.run([
                "--predicted", "--policy.predictor.parents", trace, "--json", "-",
            ])
            #expect(run.ending == .exited(0), "\(run.errors)")
            let scored = try LaunchTests.start(["policy", trace, "--dimms", "2"])
            #expect(scored.ending == .exited(0), "\(scored.errors)")
            #expect(scored.text.contains("combined-jaccard"))
        }

        @Test func `A ReLU model is recorded by its zeros and takes no sparsity`() throws {
            let model = try TinyModelFile()
            let path = ReLUModel.path
            let outcome = try record(
                model, ["--model", path, "--tokens", "100", "--prefill", "40"])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            // 29 % of layer 0 and some percent of the others, says the model's page.
            let recorded = try document(outcome)
            #expect(recorded.density > 0.02 && recorded.density < 0.2)
            let refused = try record(model, ["--model", path, "--sparsity", "0.5"])
            #expect(refused.ending == .exited(65))
        }

        @Test(
            arguments: [
                ["--tokens", "1"], ["--prefill", "0"], ["--sparsity", "1"], ["--neurons", "8"],
                ["--import", "a.npz", "--tokens", "9"], ["--import", "a.npz", "--model", "b"],
            ])
        func `Options that do not go together are a usage error`(options: [String]) throws {
            let model = try TinyModelFile()
            #expect(try record(model, options).ending == .exited(64))
        }
    }
}
