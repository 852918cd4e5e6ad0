import Testing

/// Shows of each layer rule that it finds a breach and lets a good house pass.
struct LayerRuleTests {
    private static let house = """
        layer(.c, "CNUMA", apt: "libnuma-dev"),
        layer(.foundations, "Bytes"),  // layer(.roles, "Commented")
        layer(
            .mechanisms, "Rings",
            imports: ["Bytes", "CNUMA"], products: ["Yams"]),
        probe("Probe"),
        suite("RingsTests", imports: ["Rings", "Probe"]),
        """

    private func source(_ text: String, path: String = "Package.swift") -> SourceText {
        SourceText(path: path, text: text)
    }

    private func rules(_ manifest: String) -> LayerRules {
        LayerRules(manifest: Manifest(SourceText(path: "Package.swift", text: manifest)))
    }

    @Test func `Rows are read as written`() {
        let rows = rules(Self.house).manifest.rows
        #expect(rows.map(\.name) == ["CNUMA", "Bytes", "Rings", "Probe", "RingsTests"])
        #expect(rows.map(\.layer) == ["C", "Foundations", "Mechanisms", nil, nil])
        #expect(rows.map(\.apt) == ["libnuma-dev", nil, nil, nil, nil])
        #expect(rows[2].imports == ["Bytes", "CNUMA"])
        #expect(rows[2].products == ["Yams"])
        #expect(rows[2].folder == "Sources/Mechanisms/Rings")
        #expect(rows[4].folder == "Tests/RingsTests")
    }

    @Test func `A good house passes`() {
        #expect(rules(Self.house).orderOfRows().isEmpty)
        #expect(rules(Self.house).keptApart().isEmpty)
    }

    @Test(arguments: [
        "layer(.policy, \"A\", imports: [\"Later\"]), layer(.policy, \"Later\")",
        "layer(.roles, \"High\"), layer(.policy, \"Low\", imports: [\"High\"])",
        "support(\"Double\"), layer(.programs, \"hermes\", imports: [\"Double\"])",
        "layer(.attic, \"A\")",
    ])
    func `An import from above, or of what comes later, is found`(manifest: String) {
        #expect(rules(manifest).orderOfRows().count == 1)
    }

    @Test(arguments: [
        "layer(.policy, \"A\", products: [\"Yams\"])",
        "layer(.mechanisms, \"RDMATransport\"), layer(.roles, \"A\", imports: [\"RDMATransport\"])",
        "layer(.c, \"CNUMA\"), layer(.roles, \"A\", imports: [\"CNUMA\"])",
    ])
    func `Impure policy and roles that know too much are found`(manifest: String) {
        #expect(rules(manifest).keptApart().count == 1)
    }

    @Test func `A folder without a row is found`() {
        let paths = [
            "Sources/C/CNUMA/a.h", "Sources/Roles/Lost/a.swift", "Tests/LostTests/a.swift",
            "Tests/RingsTests/a.swift", "README.md",
        ]
        #expect(
            rules(Self.house).foldersWithoutRow(paths: paths).map(\.path)
                == ["Sources/Roles/Lost", "Tests/LostTests"])
    }

    @Test func `A system library that setup forgets is found`() {
        let rules = rules(Self.house)
        let good = source("libraries=(\"numa.h libnuma-dev\")", path: "launch/setup")
        #expect(rules.packagesNotInstalled(setup: good).isEmpty)
        #expect(rules.packagesNotInstalled(setup: source("", path: "launch/setup")).count == 1)
    }

    @Test func `A default model that the program calls otherwise is found`() {
        let setup = source("readonly model_name=\"A.gguf\"", path: "launch/setup")
        let good = source("let a = \"/A.gguf\"", path: "Sources/Programs/hermes/a.swift")
        let comment = source("// A.gguf", path: "Sources/Programs/hermes/a.swift")
        let empty = source("", path: "launch/setup")
        #expect(rules("").modelNamedOtherwise(setup: setup, files: [good]).isEmpty)
        #expect(rules("").modelNamedOtherwise(setup: setup, files: [comment]).count == 1)
        #expect(rules("").modelNamedOtherwise(setup: empty, files: [good]).count == 1)
    }

    @Test(arguments: [
        ("import Bytes", true), ("package import struct Bytes.Count", true), ("import Yams", true),
        ("import Glibc", true), ("// import Logging", true), ("\"import Logging\"", true),
        ("import Logging", false), ("@preconcurrency import Rings", false),
        ("import Testing", false), ("import func Logging.log", false),
    ])
    func `Imports are held to the row`(text: String, isAllowed: Bool) {
        let file = source(text, path: "Sources/Mechanisms/Rings/a.swift")
        #expect(rules(Self.house).undeclaredImports(in: file).isEmpty == isAllowed)
    }

    @Test(arguments: ["Glibc", "Foundation", "Dispatch", "Synchronization"])
    func `Policy imports nothing of the system`(module: String) {
        let file = source("import \(module)", path: "Sources/Policy/A/a.swift")
        #expect(rules("layer(.policy, \"A\")").undeclaredImports(in: file).count == 1)
    }

    @Test func `An import that is listed but not used is found`() {
        let files = [
            source("import Bytes\nimport CNUMA", path: "Sources/Mechanisms/Rings/a.swift"),
            source("import Rings", path: "Tests/RingsTests/a.swift"),
        ]
        let rule = "Rings: lists Yams, which none of its files imports"
        #expect(rules(Self.house).unusedImports(files: files).map(\.rule) == [rule])
    }

    @Test func `A clock in policy is found, one elsewhere is not`() {
        let text = "let start = ContinuousClock.now  // Task"
        let policy = source(text, path: "Sources/Policy/A/a.swift")
        let role = source(text, path: "Sources/Roles/A/a.swift")
        #expect(rules("").impurities(in: policy).count == 1)
        #expect(rules("").impurities(in: role).isEmpty)
    }

    private static let table = """
        | Layer | Target | Responsibility | Imports |
        | --- | --- | :-: | --- |
        | C | `CNUMA` | module map | – |
        | Foundations | `Bytes` | counts | |
        | Mechanisms | `Rings` | rings | `Bytes`, `CNUMA`, `Yams` |

        | Other | table |
        """

    @Test(arguments: [
        ("", "", 0), ("| `CNUMA`", "| `CUMA`", 1), ("| Mechanisms |", "| |", 1),
        ("`Bytes`, `CNUMA`", "`CNUMA`", 1), ("| rings |", "| |", 1),
        ("| Layer |", "| Floor |", 1),
        ("| Foundations | `Bytes` | counts | |\n", "", 1),
    ])
    func `The table in README.md is held to the rows`(old: String, new: String, count: Int) {
        let text = old.isEmpty ? Self.table : Self.table.replacing(old, with: new)
        let readme = ReadmeTable(source(text, path: "README.md"))
        let manifest = rules(Self.house).manifest
        #expect(readme.differences(from: manifest, path: "README.md").count == count)
    }
}
