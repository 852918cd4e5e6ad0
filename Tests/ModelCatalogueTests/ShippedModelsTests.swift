import Foundation
import ModelCatalogue
import Testing
import WeightFormats

/// The files that stand in `topology/models`.
enum ShippedModels {
    static let names = [
        "opt-13b", "opt-30b", "opt-66b", "llama2-7b", "llama2-13b", "llama2-70b", "falcon-40b",
        "falcon-180b", "smollm2-135m",
    ]

    static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "topology/models")
    }

    static func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: name + ".yaml"), encoding: .utf8)
    }

    static func load(_ name: String) throws -> ModelSpecification {
        try ModelSpecification.parse(try text(name), fileName: name + ".yaml")
    }
}

@Suite struct ShippedModelsTests {
    @Test func `Every file of the catalogue is known here`() throws {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: ShippedModels.folder.path)
        let expected = ShippedModels.names.map { $0 + ".yaml" } + ["families"]
        #expect(files.sorted() == expected.sorted())
    }

    @Test func `Every family has its file, and there is no other`() throws {
        let files = try FileManager.default.contentsOfDirectory(
            atPath: ShippedModels.folder.appending(path: "families").path)
        #expect(files.sorted() == ModelFamily.allCases.map { $0.rawValue + ".yaml" }.sorted())
    }

    /// The shipped models leave their activity to their families.
    @Test(arguments: ShippedModels.names)
    func `A shipped model has no activity of its own`(name: String) throws {
        #expect(try ShippedModels.load(name).activity == nil)
    }

    @Test(arguments: ShippedModels.names)
    func `A shipped model has the name of its file`(name: String) throws {
        #expect(try ShippedModels.load(name).name.lowercased() == name)
    }

    /// Parameters as published, in 10⁹. OPT: the sizes of the facebook/opt checkpoints, whose head
    /// is tied. LLaMA2: the sizes of the meta-llama checkpoints. Falcon: the hub's sizes, 41.8 and
    /// 179.5, less the copy of the tied head that the checkpoint stores: 0.533 and 0.965. SmolLM2:
    /// the hub's size.
    @Test(
        arguments: zip(
            ShippedModels.names,
            [
                12.85, 29.97, 65.72, 6.738, 13.016, 68.977, 41.84 - 0.533, 179.52 - 0.965, 0.1345,
            ]))
    func `The number of weights is the published one`(name: String, published: Double) throws {
        let count = Double(try ShippedModels.load(name).weightCount) / 1e9
        #expect(abs(count / published - 1) < 0.01)
    }

    /// 2 (keys, values) x layers x KV heads x head size x 2 bytes (4 of SmolLM2), by hand.
    @Test(
        arguments: zip(
            ShippedModels.names,
            [
                819_200, 1_376_256, 2_359_296, 524_288, 819_200, 327_680, 122_880, 163_840, 46_080,
            ]))
    func `Keys and values of a position have the size of their heads`(
        name: String, byteCount: Int
    ) throws {
        #expect(try ShippedModels.load(name).keyValueByteCountPerPosition == byteCount)
    }

    /// OPT-13B, by hand. QKV: 5120 rows of 3 x 5120; MLP: 20480 neurons of 2 x 5120; projection
    /// 5120²; head 50272 x 5120; positions 2050 x 5120; 2 bytes each.
    @Test func `The sizes of OPT-13B are those of hand arithmetic`() throws {
        let model = try ShippedModels.load("opt-13b")
        #expect(model.qkvWidth == 15_360)
        #expect(model.qkvNeuronByteCount == 30_720)
        #expect(model.feedForwardNeuronByteCount == 20_480)
        #expect(model.layerNeuronByteCount == 5_120 * 30_720 + 20_480 * 20_480)
        #expect(model.projectionByteCount == 52_428_800)
        #expect(model.headByteCount == 514_785_280)
        #expect(model.embeddingByteCount == 514_785_280 + 20_992_000)
        #expect(model.denseByteCount == 40 * 52_428_800 + 535_777_280)
        #expect(model.weightByteCount == 2 * model.weightCount)
        #expect(model.weightByteCount == 40 * (576_716_800 + 52_428_800) + 535_777_280)
    }

    /// LLaMA2-70B, by hand: 64 query heads share 8 key and value heads of 128; three MLP matrices;
    /// the head is a matrix of its own.
    @Test func `The sizes of LLaMA2-70B are those of hand arithmetic`() throws {
        let model = try ShippedModels.load("llama2-70b")
        #expect(model.querySize == 8_192)
        #expect(model.keyValueSize == 1_024)
        #expect(model.qkvNeuronByteCount == 2 * (8_192 + 2 * 1_024))
        #expect(model.feedForwardNeuronByteCount == 2 * 3 * 8_192)
        #expect(model.embeddingByteCount == 2 * 2 * 32_000 * 8_192)
        #expect(model.weightCount == 80 * (83_886_080 + 704_643_072 + 67_108_864) + 524_288_000)
    }

    /// Falcon-40B, by hand: 128 heads of 64, 8 for keys and values; tied head.
    @Test func `The sizes of Falcon-40B are those of hand arithmetic`() throws {
        let model = try ShippedModels.load("falcon-40b")
        #expect(model.qkvWidth == 8_192 + 2 * 512)
        #expect(model.embeddingByteCount == model.headByteCount)
        #expect(model.weightCount == 60 * (75_497_472 + 536_870_912 + 67_108_864) + 532_676_608)
    }

    @Test(arguments: zip([WeightFormat.q4_1, .q8_0, .f32], [20, 34, 128]))
    func `Quantised weights fill whole blocks`(format: WeightFormat, bytesPer32: Int) throws {
        let text = try ShippedModels.text("llama2-7b")
            .replacing("weights: F16", with: "weights: \(format.rawValue)")
        let model = try ModelSpecification.parse(text, fileName: "m.yaml")
        #expect(model.byteCount(ofWeights: 64) == 2 * bytesPer32)
        #expect(model.projectionByteCount == 4_096 * 4_096 / 32 * bytesPer32)
    }
}
