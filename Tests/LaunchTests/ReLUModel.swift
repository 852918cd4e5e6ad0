import Foundation

/// The small ReLU model that ships with the tests, and what an independent forward pass generates
/// from it.
struct ReLUModel: Decodable {
    struct Prompt: Decodable {
        let prompt: String
        let promptIds: [Int]
        let generatedIds: [Int]
        /// At each generated token, the distance between the two best logits.
        let top1Margin: [Double]
        let text: String
    }

    let prompts: [Prompt]

    static let path = folder + "relu-opt-3m.gguf"
    private static let folder = Launch.packageRoot + "/Tests/LaunchTests/Data/"

    static func load() throws -> ReLUModel {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let url = URL(filePath: folder + "relu-opt-3m-tokens.json")
        return try decoder.decode(ReLUModel.self, from: Data(contentsOf: url))
    }
}
