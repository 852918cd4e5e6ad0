import CheckedYAML
import ModelCatalogue
import Testing
import WeightFormats

@Suite struct ModelParsingTests {
    static let tiny = """
        format: 1
        name: Tiny
        family: opt
        activation: native-relu
        layers: 2
        hidden: 64
        feed_forward: 256
        gated: off
        query_heads: 4
        key_value_heads: 2
        head: 16
        vocabulary: 100
        head_tied: on
        learned_positions: 34
        context: 32
        weights: F16
        bytes_per_activation: 2
        """

    static func problems(of text: String) -> [String] {
        do throws(ModelCatalogueError) {
            _ = try ModelSpecification.parse(text, fileName: "m.yaml")
            Issue.record("accepted: \(text)")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func `A whole file is read key by key`() throws {
        let model = try ModelSpecification.parse(Self.tiny, fileName: "m.yaml")
        let expected = ModelSpecification(
            name: "Tiny", family: .opt, activation: .nativeReLU, layerCount: 2, hiddenSize: 64,
            feedForwardSize: 256, isGated: false, queryHeadCount: 4, keyValueHeadCount: 2,
            headSize: 16, vocabularySize: 100, isHeadTied: true, learnedPositionCount: 34,
            contextLength: 32, weightFormat: .f16, bytesPerActivation: 2)
        #expect(model == expected)
    }

    @Test func `Every key must be there`() {
        for line in Self.tiny.split(separator: "\n") {
            let key = line.prefix { $0 != ":" }
            let rest = Self.tiny.split(separator: "\n").filter { $0 != line }
            let found = Self.problems(of: rest.joined(separator: "\n"))
            #expect(found == ["m.yaml:1: \(key): is missing"])
        }
    }

    @Test(arguments: [
        (
            "layers: 2", "layers: 0",
            "m.yaml:5: layers: '0' is outside 1 to 10000"
        ),
        (
            "layers: 2", "layers: two", "m.yaml:5: layers: 'two' is not a whole number"
        ),
        (
            "hidden: 64", "hidden: 99999999999",
            "m.yaml:6: hidden: '99999999999' is outside 1 to 1000000"
        ),
        (
            "family: opt", "family: otp",
            "m.yaml:3: family: unknown model family 'otp'; did you mean 'opt'? "
                + "(known: opt, llama2, falcon)"
        ),
        (
            "gated: off", "gated: maybe", "m.yaml:8: gated: 'maybe' is neither on nor off"
        ),
        (
            "weights: F16", "weights: [F16]",
            "m.yaml:16: weights: must be a single value, not a list"
        ),
        (
            "name: Tiny", "name: \"\"", "m.yaml:2: name: must be one line and not empty"
        ),
        (
            "key_value_heads: 2", "key_value_heads: 3",
            "m.yaml:10: key_value_heads: 4 query heads cannot share 3 key and value heads evenly"
        ),
        (
            "learned_positions: 34", "learned_positions: 20",
            "m.yaml:15: context: 20 learned positions do not cover a context of 32"
        ),
        ("format: 1", "format: 2", "m.yaml:1: format: '2' is outside 1 to 1"),
    ])
    func `A value against its rule is named with file, line, key and rule`(
        line: String, replacement: String, expected: String
    ) {
        let text = Self.tiny.replacing(line, with: replacement)
        #expect(Self.problems(of: text) == [expected])
    }

    @Test func `An unknown key is refused, and the one that was meant is offered`() {
        let found = Self.problems(of: Self.tiny + "\nlayer: 3")
        #expect(found.count == 1)
        #expect(
            found.first?.hasPrefix("m.yaml:18: layer: unknown key; did you mean 'layers'?") == true)
    }

    @Test func `A key given twice is refused at its repetition`() {
        let found = Self.problems(of: Self.tiny + "\nlayers: 3")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("m.yaml:18: key 'layers' is given twice") == true)
    }

    @Test func `All problems are reported, not the first one alone`() {
        let text = Self.tiny.replacing("layers: 2", with: "layers: 0")
            .replacing("head: 16", with: "head: x")
        #expect(Self.problems(of: text).count == 2)
    }

    @Test(arguments: ["", "# nothing\n"])
    func `A file without a model is refused`(text: String) {
        #expect(Self.problems(of: text) == ["m.yaml: is empty: it has no model"])
    }

    @Test(arguments: ["[1, 2]", "text"])
    func `A file that is no group of keys is refused`(text: String) {
        let found = Self.problems(of: text)
        #expect(found.first?.contains("must be a group of keys") == true)
    }

    @Test func `What is not YAML is refused with its line`() {
        #expect(Self.problems(of: "a: [1").first?.hasPrefix("m.yaml:1: is not valid YAML") == true)
    }
}
