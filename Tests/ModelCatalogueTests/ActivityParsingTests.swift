import CheckedYAML
import ModelCatalogue
import Quantities
import Testing

/// A family's file, and a model's own group of the same keys.
@Suite struct ActivityParsingTests {
    static let text = """
        format: 1
        family: falcon
        density: 0.193
        frequent_share: 0.2
        context_share: 0.25
        longest_spell: 11
        longest_context: 896
        upsets_per_256: 24
        """

    static let statistics = ActivityStatistics(
        density: Proportion(millionths: 193_000), frequentShare: Proportion(millionths: 200_000),
        contextShare: Proportion(millionths: 250_000), longestSpell: 11, longestContext: 896,
        upsetsPer256: 24)

    static func problems(of text: String) -> [String] {
        do throws(ModelCatalogueError) {
            _ = try ActivityStatistics.parse(text, of: .falcon, fileName: "f.yaml")
            Issue.record("accepted: \(text)")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func `A whole file is read key by key`() throws {
        #expect(
            try ActivityStatistics.parse(Self.text, of: .falcon, fileName: "f.yaml")
                == Self.statistics)
    }

    @Test func `Every key must be there`() {
        for line in Self.text.split(separator: "\n") {
            let key = line.prefix { $0 != ":" }
            let rest = Self.text.split(separator: "\n").filter { $0 != line }
            #expect(
                Self.problems(of: rest.joined(separator: "\n")) == [
                    "f.yaml:1: \(key): is missing"
                ])
        }
    }

    @Test(arguments: [
        ("density: 0.193", "density: 0", "f.yaml:3: density: '0' is outside 0.000001 to 0.999999"),
        ("density: 0.193", "density: 1", "f.yaml:3: density: '1' is outside 0.000001 to 0.999999"),
        (
            "context_share: 0.25", "context_share: 1.5",
            "f.yaml:5: context_share: '1.5' is above 1"
        ),
        (
            "longest_spell: 11", "longest_spell: 0",
            "f.yaml:6: longest_spell: '0' is outside 1 to 65535"
        ),
        (
            "upsets_per_256: 24", "upsets_per_256: 256",
            "f.yaml:8: upsets_per_256: '256' is outside 0 to 255"
        ),
        (
            "family: falcon", "family: opt",
            "f.yaml:2: family: must be 'falcon', whose file this is"
        ),
    ])
    func `A value against its rule is named with file, line, key and rule`(
        line: String, replacement: String, expected: String
    ) {
        #expect(Self.problems(of: Self.text.replacing(line, with: replacement)) == [expected])
    }

    @Test func `An empty file is refused`() {
        #expect(Self.problems(of: "") == ["f.yaml: is empty: it has no activity"])
    }

    // MARK: A model's own

    private static let own =
        ModelParsingTests.tiny + "\nactivity:\n"
        + text.split(separator: "\n").dropFirst(2).map { "  " + $0 }.joined(separator: "\n")

    @Test func `A model's file may state its own activity`() throws {
        let model = try ModelSpecification.parse(Self.own, fileName: "m.yaml")
        #expect(model.activity == Self.statistics)
        #expect(model.keepingLayers(1).activity == Self.statistics)
    }

    @Test func `What is wrong with it is named below its key`() {
        let found = ModelParsingTests.problems(
            of: Self.own.replacing("longest_spell: 11", with: "longest_spel: 11"))
        #expect(found.count == 2)
        #expect(found.contains { $0.contains("activity.longest_spell: is missing") })
        #expect(found.contains { $0.contains("activity.longest_spel: unknown key") })
    }
}
