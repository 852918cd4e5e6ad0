import Testing

/// Shows of each rule that it finds a breach and lets good text pass.
struct RuleTests {
    private func swift(_ text: String, path: String = "Sources/Roles/A/a.swift") -> SourceText {
        SourceText(path: path, text: text)
    }

    @Test func `Size limits hold to the line and the column`() {
        let longest = String(repeating: "é", count: 100)
        let full = String(repeating: longest + "\n", count: 450)
        #expect(TextRules.size(of: swift(full)).isEmpty)
        #expect(TextRules.size(of: swift(full + "\n")).map(\.line) == [451])
        #expect(TextRules.size(of: swift("\n" + longest + "é")).map(\.line) == [2])
    }

    @Test func `A function of 71 lines is too long, one of 70 is not`() {
        let body = String(repeating: "b()\n", count: 68)
        #expect(TextRules.functionLengths(in: swift("func a() {\n\(body)}\n")).isEmpty)
        #expect(TextRules.functionLengths(in: swift("func a() {\n\(body)\n}\n")).map(\.line) == [1])
    }

    @Test(arguments: [
        "// TODO: a", "/* a\nFIXME */", "a() // XXX", "let a = try! b()", "fatalError()",
        "@testable import A", "import XCTest",
    ])
    func `Banned words are found`(text: String) {
        #expect(TextRules.bannedWords(in: swift(text)).count == 1)
    }

    @Test(arguments: ["\"TODO\"", "try !a()", "// fatalError, try! and todo", "let TODOs = 1"])
    func `Words that only look banned pass`(text: String) {
        #expect(TextRules.bannedWords(in: swift(text)).isEmpty)
    }

    @Test(arguments: [
        "final class A: @unchecked Sendable {}", "nonisolated(unsafe) var a = 1",
        "// far off\n\nstruct A: @unchecked Sendable {}",
        "// far off\nlet b = 1\n@safe\nstruct A: @unchecked Sendable {}",
    ])
    func `A promise needs its proof`(text: String) {
        #expect(TextRules.unprovenPromises(in: swift(text)).count == 1)
    }

    @Test(arguments: [
        "// One owner.\nclass A: @unchecked Sendable {}",
        "// One owner.\n@safe\n@frozen\nstruct A: @unchecked Sendable {}",
        "nonisolated(unsafe) var a = 1  // once",
        "\"@unchecked Sendable\"",
    ])
    func `A proven promise passes`(text: String) {
        #expect(TextRules.unprovenPromises(in: swift(text)).isEmpty)
    }

    @Test func `Folders of one machine are found, those of the clone are not`() {
        for folder in ["home", "root", "tmp", "work", "Users"] {
            #expect(TextRules.foreignPaths(in: swift("// see /\(folder)/a")).count == 1)
            #expect(TextRules.foreignPaths(in: swift("\"/\(folder)/a\"")).count == 1)
            #expect(TextRules.foreignPaths(in: swift("// see Sources/\(folder)/a")).isEmpty)
        }
    }

    @Test func `Pointers in a second file, or in one whose header is silent, are found`() {
        let use = "struct A { let a: UnsafeRawPointer }"
        let announced = "// The module's raw pointers.\n" + use
        let first = swift(announced, path: "Sources/Roles/A/a.swift")
        #expect(TextRules.scatteredPointers(files: [first]).isEmpty)
        #expect(TextRules.scatteredPointers(files: [swift(use)]).count == 1)
        let second = swift(announced, path: "Sources/Roles/A/b.swift")
        #expect(TextRules.scatteredPointers(files: [second, first]).map(\.path) == [second.path])
        let other = swift(announced, path: "Sources/Roles/B/b.swift")
        #expect(TextRules.scatteredPointers(files: [first, other]).isEmpty)
    }

    @Test(arguments: [
        "gpu:\n  memory: 24 GB\n", "gpu:  # ours\n  memory: 24 GB\n",
        "# Source: far off\n\nmemory: 24 GB\n", "- { node: 0, rate: 25.6 GB/s }\n",
        "a: 1  # Source: b\nc: 2\n",
    ])
    func `A number without source is found`(text: String) {
        #expect(TopologyRules.unsourcedNumbers(in: swift(text, path: "a.yaml")).count == 1)
    }

    @Test(arguments: [
        "memory: 24 GB  # Source: data sheet\n", "# Source: data sheet,\n# page 3\nmemory: 24 GB\n",
        "gpu:  # Source: data sheet\n  memory: 24 GB\n", "format: 1\nname: rtx-4090\n",
        "links:\n  - { node: 0, rate: 2 GB/s }  # source: b\n  - { node: 1, rate: 2 GB/s }\n",
        "dimms: [0, 1]\n",
    ])
    func `Numbers with a source and numbering pass`(text: String) {
        #expect(TopologyRules.unsourcedNumbers(in: swift(text, path: "a.yaml")).isEmpty)
    }
}
