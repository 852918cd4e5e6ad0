import Reporting
import Testing

struct PublishedTableTests {
    private static let titles =
        "figure,system,model,batch,gpu,dimms,metric,value,unit,dup,note\n"
    private static let point = "9,Hermes,OPT-13B,1,RTX4090,8,throughput,135.64,tokens/s,,\n"

    private static func with(_ old: String, _ new: String) -> String {
        titles + point.replacing(old, with: new)
    }

    private func problem(_ text: String) -> String? {
        do throws(PublishedTableError) {
            _ = try PublishedTable(text)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `The project's table is read whole`() throws {
        let table = try PaperTable.load()
        let lineCount = try PaperTable.text().split(separator: "\n").count
        #expect(table.rows.count == lineCount - 1)
        #expect(Set(table.rows.map(\.figure)).isSuperset(of: (9...17).map(String.init) + ["text"]))
        let first = try #require(table.rows.first { $0.system == "Hermes" })
        #expect(first.published == .exactly(135.64))
        #expect(first.contradiction.isEmpty)
    }

    @Test func `Every system of the paper has fitted and held-out points of its own`() throws {
        let rows = try PaperTable.load().rows.filter { $0.metric == "throughput" && !$0.isRepeat }
        #expect(rows.count == 89)
        #expect(rows.count(where: \.isFitted) == 49)
        #expect(rows.allSatisfy { !$0.isFitted || Int($0.batch) != nil })
        #expect(!rows.contains { $0.isFitted && ["OPT-30B", "LLaMA2-13B"].contains($0.model) })
    }

    @Test func `A run that two figures label counts where it stands first`() throws {
        let again = Self.point.replacing("9,Hermes", with: "11,Hermes")
        let rows = try PublishedTable(Self.titles + Self.point + again).rows
        #expect(rows.map(\.isRepeat) == [false, true])
        let other = again.replacing("OPT-13B,1", with: "OPT-13B,2")
        #expect(try PublishedTable(Self.titles + Self.point + other).rows[1].isRepeat == false)
    }

    @Test(arguments: [
        ("<0.1", ReproducedPoint.Published.below(0.1)), (">80", .above(80)),
        ("1.2-2.5", .between(1.2, 2.5)), ("110", .exactly(110)),
    ])
    func `Bounds and ranges are told from numbers`(
        text: String, expected: ReproducedPoint.Published
    ) throws {
        let row = Self.point.replacing("135.64", with: text)
        #expect(try PublishedTable(Self.titles + row).rows[0].published == expected)
    }

    @Test func `A note ends where a contradiction begins`() throws {
        let row = "9,A,B,1,G,8,m,1,x,Fig11,\"said, twice; Contradiction: \"\"no\"\"; never\"\n"
        let read = try PublishedTable(Self.titles + row).rows[0]
        #expect(read.note == "said, twice")
        #expect(read.contradiction == "\"no\"; never")
        let bare = "9,A,B,1,G,8,m,1,x,,Contradiction: no\n"
        let second = try PublishedTable(Self.titles + bare).rows[0]
        #expect(second.note.isEmpty)
        #expect(second.contradiction == "no")
    }

    private static let wrongTexts: [(String, String)] = [
        ("", "line 1: the table has no points"),
        ("figure,system\n", "line 1: titles are not as agreed"),
        (titles, "line 1: the table has no points"),
        (titles + "9,Hermes\n", "line 2: 2 cells instead of 11"),
        (titles + point + point, "line 3: the point stands in line 2 already"),
        (with("135.64", "fast"), "line 2: 'fast' is no number"),
        (with("135.64", "2-1"), "line 2: '2-1' is no number"),
        (with("135.64", "-1"), "line 2: '-1' is no number"),
        (with("135.64", "nan"), "line 2: 'nan' is no number"),
        (with("Hermes", ""), "line 2: 'system' is empty"),
        (with("s,,", "s,Fig12,"), "line 2: 'Fig12' is no figure"),
        (titles + "\n" + point, "line 2: the line is empty"),
        (titles + "9,\"Hermes,1\n", "line 2: a quote is not closed"),
        (titles + "9,He\"r\"mes,1\n", "line 2: a quote inside a cell"),
        (titles + "9,\"Her\"mes,1\n", "line 2: something follows a closing quote"),
    ]

    @Test(arguments: wrongTexts)
    func `What is wrong is named with its line`(text: String, expected: String) {
        let found = problem(text)
        #expect(found?.contains(expected) == true, "\(found ?? "nothing")")
    }
}
