import Testing

/// The scanner that every other rule trusts.
struct LexerTests {
    private func words(_ text: String, path: String = "a.swift") -> [String] {
        SourceText(path: path, text: text).tokens.map(\.text).filter { $0.first?.isLetter == true }
    }

    @Test(arguments: [
        ("a // b\nc", ["a", "c"]),
        ("a /* b /* c */ d */ e", ["a", "e"]),
        ("a \"b // c\" d", ["a", "d"]),
        ("a \"b \\\" c\" d", ["a", "d"]),
        ("a \"b \\(c + \"d\" + e) f\" g", ["a", "c", "e", "g"]),
        ("a \"\\(b(c))\" d", ["a", "b", "c", "d"]),
        ("a \"\"\"\n b \" { \\(c) \n \"\"\" d", ["a", "c", "d"]),
        ("a #\"b \" \\(c) \\#(d) e\"# f", ["a", "d", "f"]),
        ("func `a \"quoted\" { name`() {}\nb", ["func", "b"]),
        ("a(/b \"[{/, c) / d / e", ["a", "c", "d", "e"]),
        ("a = #/b/{\"/# ; c", ["a", "c"]),
        ("reduce(1, /) + a / b", ["reduce", "a", "b"]),
        ("#if DEBUG\na", ["if", "DEBUG", "a"]),
        ("a \"unfinished\nb", ["a", "b"]),
        ("a /* unfinished", ["a"]),
        ("", []),
    ])
    func `Code is told from comments and strings`(text: String, expected: [String]) {
        #expect(words(text) == expected)
    }

    @Test(arguments: [
        ("a /* b /* c */ d", ["a", "d"]),
        ("a('\"', b, '\\'')", ["a", "b"]),
        ("#define A(b) do { b } \\\n while (0)\nc", ["c"]),
        ("#include <x.h> // \"y\nc", ["c"]),
    ])
    func `C has its own comments, characters and directives`(text: String, expected: [String]) {
        #expect(words(text, path: "a.c") == expected)
    }

    @Test func `Comments keep their lines`() {
        let source = SourceText(path: "a.swift", text: "a // é {\n/* b\nc */ \"// d\"\n")
        #expect(source.comments == ["// é {", "/* b", "c */", ""])
    }

    @Test func `In other files a comment begins with a number sign`() {
        #expect(SourceText(path: "a.yaml", text: "a: 1 # b\nc: 2").comments == ["# b", ""])
    }

    /// A function of so many lines after its first, in some dress.
    @Test(arguments: [
        ("func a() {\n", 70), ("func a(b: () -> Int = { 1 }) throws(E) -> [Int] {\n", 70),
        ("func a<T>(\n    b: T\n) -> T\nwhere T: P {\n", 73), ("init?(b: Int) {\n", 70),
        ("deinit {\n", 70), ("subscript(b: Int) -> Int {\n", 70), ("var a: Int {\n", 70),
        ("func a() -> String {\n    \"}\" // }\n", 71),
        ("static func == (a: A, b: A) -> Bool {\n", 70),
    ])
    func `Functions are measured from keyword to brace`(opening: String, lineCount: Int) {
        let filling = String(repeating: "    if a { b() }\n", count: 68)
        let source = SourceText(path: "a.swift", text: "\n" + opening + filling + "}\n")
        let longest = FunctionLength.all(in: source).max { $0.lineCount < $1.lineCount }
        #expect(longest == FunctionLength(firstLine: 2, lineCount: lineCount))
    }

    @Test(arguments: [
        "protocol P {\n    func a()\n    var b: Int { get }\n    init(c: Int)\n}\n",
        "struct S {\n    var a: Int\n    var b = { 1 }()\n    let c = S.init(a: 1)\n}\n",
        "var a: Optional<Int>\nstruct B {\n}\n",
    ])
    func `Declarations without a body take none from what follows`(text: String) {
        let source = SourceText(path: "a.swift", text: text)
        #expect(FunctionLength.all(in: source).allSatisfy { $0.lineCount == 1 })
    }

    @Test func `C functions are measured, structures are not`() {
        let text = """
            struct a {
                int b;
            };
            static int
            c(int d)
            {
                if (d) { }
                return 1;
            }
            int e(void) { return 2; }
            """
        #expect(
            FunctionLength.all(in: SourceText(path: "a.c", text: text)) == [
                FunctionLength(firstLine: 4, lineCount: 6),
                FunctionLength(firstLine: 10, lineCount: 1),
            ])
    }
}
