import Testing

/// Holds this clone to the house rules. What each rule means is tested in `RuleTests`.
struct RepositoryTests {
    let repository: Repository
    let code: [SourceText]
    let rules: LayerRules

    init() throws {
        repository = try Repository.current()
        code = try repository.sources(endingIn: [".swift", ".c", ".h"])
        rules = LayerRules(manifest: Manifest(try Self.source("Package.swift", repository)))
    }

    private static func source(_ path: String, _ repository: Repository) throws -> SourceText {
        SourceText(path: path, text: try repository.text(of: path))
    }

    private func expectNone(
        _ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let list = findings.map(\.description).sorted().joined(separator: "\n")
        #expect(findings.isEmpty, "\(list)", sourceLocation: sourceLocation)
    }

    @Test func `Package.swift lists the house from the ground up`() {
        #expect(rules.manifest.rows.contains { $0.name == "TidyTests" })
        #expect(rules.manifest.rows.contains { $0.layer == "Programs" })
        expectNone(rules.orderOfRows())
        expectNone(rules.keptApart())
        expectNone(rules.foldersWithoutRow(paths: repository.paths))
    }

    @Test func `Sources import what their rows list, and rows list nothing else`() {
        let swift = code.filter(\.isSwift)
        expectNone(swift.flatMap(rules.undeclaredImports))
        expectNone(rules.unusedImports(files: swift))
    }

    @Test func `Policy is pure`() {
        expectNone(code.flatMap(rules.impurities))
    }

    @Test func `README.md shows the same house as Package.swift`() throws {
        let readme = try Self.source("README.md", repository)
        expectNone(ReadmeTable(readme).differences(from: rules.manifest, path: readme.path))
    }

    @Test func `Setup installs what the house names`() throws {
        let setup = try Self.source("launch/setup", repository)
        expectNone(rules.packagesNotInstalled(setup: setup))
        expectNone(rules.modelNamedOtherwise(setup: setup, files: code))
    }

    @Test func `Files, lines and functions stay short`() throws {
        let others = try repository.sources(endingIn: [".yaml", ".ci/run"])
        let scripts = try repository.paths.filter { $0.hasPrefix("launch/") }.map {
            try Self.source($0, repository)
        }
        expectNone((code + others + scripts).flatMap(TextRules.size))
        expectNone(code.flatMap(TextRules.functionLengths))
    }

    @Test func `Nothing is left for later and nothing crashes where an error belongs`() throws {
        let scripts = try repository.paths.filter { $0.hasPrefix("launch/") }.map {
            try Self.source($0, repository)
        }
        let others = try repository.sources(endingIn: [".yaml"])
        expectNone((code + scripts + others).flatMap(TextRules.bannedWords))
        expectNone(code.flatMap(TextRules.unprovenPromises))
    }

    @Test func `Raw pointers stay in one file of a module`() {
        expectNone(TextRules.scatteredPointers(files: code.filter(\.isSwift)))
    }

    @Test func `No file names a folder of somebody's machine`() throws {
        let texts = try repository.sources(endingIn: [
            ".swift", ".c", ".h", ".md", ".yaml", ".cff", ".ci/run", "launch/hermes",
            "launch/build", "launch/setup", "launch/test", "launch/lab", "launch/lab-guest",
        ])
        expectNone(texts.flatMap(TextRules.foreignPaths))
    }

    @Test func `Every number of a topology has its source`() throws {
        let topologies = try repository.sources(endingIn: [".yaml"]).filter {
            $0.path.hasPrefix("topology/")
        }
        #expect(!topologies.isEmpty)
        expectNone(topologies.flatMap(TopologyRules.unsourcedNumbers))
    }

    @Test func `The top level holds what was agreed, all of it and nothing else`() {
        let agreed: Set = [
            ".ci", ".gitignore", ".swift-format", "CHANGELOG.md", "CITATION.cff", "LICENSE",
            "Package.swift", "README.md", "Sources", "Tests", "launch", "topology",
        ]
        let present = Set(repository.paths.compactMap { $0.split(separator: "/").first })
        #expect(Set(present.map(String.init)) == agreed)
    }
}
