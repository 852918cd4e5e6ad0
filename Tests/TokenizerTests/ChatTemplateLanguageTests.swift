import Testing
import Tokenizer

/// The template language: values, white space, errors and limits.
@Suite struct ChatTemplateLanguageTests {
    private func render(_ source: String, content: String = " Hi There ") throws -> String {
        try ChatTemplate(source).render(
            messages: [ChatMessage(role: .user, content: content)],
            addingGenerationPrompt: true, beginText: "<s>", endText: "</s>"
        ).map(\.text).joined()
    }

    @Test func `Expressions have Jinja's values`() throws {
        for (source, expected) in ChatTemplateExpressions.all {
            do {
                let found = try render(source)
                if Array(found.utf8) != Array(expected.utf8) {
                    Issue.record("\(source) gave \(found), not \(expected)")
                }
            } catch {
                Issue.record("\(source) failed: \(error)")
            }
        }
    }

    @Test(arguments: [
        ("a\n", "a"), ("a\n\n", "a\n"), ("a\r\nb\rc", "a\nb\nc"),
        ("{% if true %}\nx\n{% endif %}\n", "x\n"),
        ("a\n  {% if true %}\n  b\n  {% endif %}\nc", "a\n  b\nc"),
        ("a\n  {%+ if true %}b{% endif %}", "a\n  b"), ("{% if true +%}\nb{% endif %}", "\nb"),
        ("a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc"),
        ("a {% if true %} b {% endif %} c", "a  b  c"), ("  {{ 1 }}\n  {{- 2 -}}\n x", "  12x"),
        ("a\n  {# note #}\nb", "a\nb"), ("a {#- note -#} b", "ab"), ("{# {{ x }} #}", ""),
        ("{{ '}}' }}{{ '%}' }}", "}}%}"), ("{}%}}", "{}%}}"),
        ("\u{A0}{% if true %}x{% endif %}", "x"), ("x\u{A0}{%- if true %}y{% endif %}", "xy"),
    ])
    func `White space follows trim_blocks and lstrip_blocks`(
        source: String, expected: String
    ) throws {
        #expect(try render(source) == expected)
    }

    @Test(arguments: [
        ("{% if %}", "line 1, column 7"), ("a\n {% if true %}", "'if' has no end"),
        ("{{ 'a }}", "line 1, column 4"), ("{{ x", "line 1, column 1"), ("{# x", "no end"),
        ("{% endfor %}", "'endfor' closes nothing"), ("{% break %}", "'break' outside a loop"),
        ("{{ (1 }}", "expected ')'"), ("{{ ] }}", "']' closes nothing"), ("{{ 1 + }}", "'}}'"),
        ("{% for x %}{% endfor %}", "needs 'in'"), ("{{ a b }}", "found 'b'"),
        ("{{ a ! }}", "unexpected '!'"), ("{{ 9223372036854775808 }}", "too large"),
        ("{{ 12ab }}", "runs into 'a'"), ("{{ x[1:2:3:4] }}", "at most three"),
        ("{{ '\\xZZ' }}", "\\x escape"), ("{% set x.y %}", "expected '='"),
        ("{{ x[1 2] }}", "expected ']'"), ("{% 5 %}", "expected a name"),
    ])
    func `Malformed templates are refused with the place`(source: String, words: String) {
        expectError(parsing: source, saying: "malformed at line", words)
    }

    @Test(arguments: [
        ("{% macro f() %}{% endmacro %}", "tag 'macro'"), ("{% raw %}", "tag 'raw'"),
        ("\n\n  {% include 'x' %}", "line 3, column 6"), ("{{ 2 ** 3 }}", "operator '**'"),
        ("{% for x in y recursive %}{% endfor %}", "recursive loop"), ("{{ '\\7' }}", "escape \\7"),
        ("{{ f(*x) }}", "argument unpacking"),
    ])
    func `Unsupported syntax is refused by name when parsing`(source: String, words: String) {
        expectError(parsing: source, saying: "not supported", words)
    }

    @Test(arguments: [
        ("{{ 1 | tojson }}", "filter 'tojson'"), ("{{ 'a'.zfill(1) }}", "method 'zfill'"),
        ("{{ 1 is prime }}", "test 'prime'"), ("{{ [1] }}", "printing a list"),
        ("{{ {'a': 1} }}", "printing a mapping"), ("{{ '%d' % 1 }}", "string formatting"),
        ("{{ {1: 2} }}", "keys that are not strings"), ("{{ 'a'|trim('a', 1) }}", "2 arguments"),
        ("{{ 'a'.upper(x=1) }}", "argument 'x'"), ("{{ 'a'.replace('', 'b') }}", "replace()"),
        ("{{ messages.append(1) }}", "method 'append' of a list"),
        ("{{ [1]|map('upper') }}", "map()"), ("{{ range }}", "printing function 'range'"),
        ("{{ namespace(1) }}", "unnamed"), ("{{ 'a b'.split(none, 1) }}", "split()"),
    ])
    func `Unsupported operations fail by name, but only where they happen`(
        source: String, words: String
    ) throws {
        expectError(rendering: source, saying: "not supported", "line 1, column", words)
        #expect(try render("{% if false %}\(source){% endif %}x") == "x")
    }

    @Test(arguments: [
        ("{{ nope.x }}", "undefined 'nope' has no 'x'"), ("{{ nope[0] }}", "undefined 'nope'"),
        ("{{ nope() }}", "cannot call undefined 'nope'"),
        ("{{ 'a' + 1 }}", "a string and a number"),
        ("{{ 'a' + none }}", "none"), ("{{ 1 // 0 }}", "division by zero"),
        ("{{ 1 / 0 }}", "division by zero"), ("{{ 1 % 0 }}", "division by zero"),
        ("{{ 9223372036854775807 + 1 }}", "too large"),
        ("{{ (-9223372036854775807 - 1) // -1 }}", "too large"),
        ("{{ -(-9223372036854775807 - 1) }}", "too large"), ("{{ 1 < 'a' }}", "'<'"),
        ("{% for x in 5 %}{% endfor %}", "cannot iterate"), ("{{ 1 in 2 }}", "'in'"),
        ("{% for a, b in [1] %}{% endfor %}", "unpack"), ("{% set x.y = 1 %}", "not a namespace"),
        ("{{ 'a'[::0] }}", "step is zero"), ("{{ 1[0:1] }}", "cannot slice"),
        ("{{ 'a'['b':] }}", "whole numbers"), ("{{ 5|length }}", "no length"),
        ("{{ range(1, 2, 0) }}", "range()"), ("{{ 'a'.split('') }}", "empty separator"),
        ("{{ 1 is divisibleby 0 }}", "whole numbers"), ("{{ 1 is eq }}", "needs a value"),
        ("{{ 'a'.strip(1) }}", "expected a string"), ("{{ messages[0].nope.x }}", "'nope'"),
    ])
    func `Impossible operations fail with the place`(source: String, words: String) {
        expectError(rendering: source, saying: "fails at line 1, column", words)
    }

    @Test func `A template can refuse a conversation in its own words`() {
        #expect(throws: ChatTemplateError.refused(message: "no: user")) {
            try render("{{ raise_exception('no: ' + messages[0].role) }}")
        }
    }

    @Test func `The least number's remainder is zero, not a trap`() throws {
        #expect(try render("{{ (-9223372036854775807 - 1) % -1 }}") == "0")
        #expect(try render("{{ (-9223372036854775807 - 1) is divisibleby(-1) }}") == "True")
    }

    // MARK: Limits

    @Test func `Endless work ends`() {
        let loops = String(repeating: "{% for a in range(999) %}", count: 6)
        expectError(
            rendering: loops + String(repeating: "{% endfor %}", count: 6),
            saying: "\(ChatTemplate.maximumStepCount) steps")
    }

    @Test(arguments: [
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}"
            + "{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}"
            + "{% endfor %}",
        "{{ 'ab' * 999999999999 }}", "{{ 'ab' * 9223372036854775807 }}",
        "{% for i in range(999999999) %}{% endfor %}",
        "{% set a %}{{ 'a' * 99999 }}{% endset %}{% for i in range(99999) %}{{ a }}{% endfor %}",
        "{% set a = 'a' * 99999 %}{% for i in range(999) %}{{ a in a ~ 'b' }}{% endfor %}",
        "{% set a = 'a' * 99999 %}{% for i in range(999) %}{{ a.replace('a', a) }}{% endfor %}",
    ])
    func `Growing text ends`(source: String) {
        expectError(rendering: source, saying: "characters")
    }

    @Test func `Repeating nothing costs nothing`() throws {
        #expect(try render("{{ '' * 9223372036854775807 }}") == "")
    }

    /// What stands before, in and after the middle of an expression, before and after repeatedly.
    @Test(arguments: [
        ("(", "1", ")"), ("[", "", "]"), ("{'a':", "1", "}"), ("-", "1", ""), ("not ", "1", ""),
        ("", "1", "+1"), ("", "x", ".a"), ("", "x", "[0]"), ("", "x", "|trim"), ("f(", "", ")"),
        ("", "1", " if 1"), ("1 if 1 else ", "1", ""), ("", "1", " * 1"), ("", "1", " and 1"),
        ("", "1", " or 1"), ("", "x", " is string"), ("x[", "1", "]"), ("x|trim(", "x", ")"),
    ])
    func `Deep expressions are refused`(before: String, middle: String, after: String) {
        let source =
            "{{ " + String(repeating: before, count: 5000) + middle
            + String(repeating: after, count: 5000) + " }}"
        expectError(parsing: source, saying: "too deeply")
    }

    @Test func `Deep blocks are refused, and what is allowed can run`() throws {
        expectError(
            parsing: String(repeating: "{% if 1 %}", count: 5000), saying: "too deeply")
        let blocks = 30
        let sum = "1" + String(repeating: " + 1", count: 120)
        let source =
            String(repeating: "{% if 1 %}", count: blocks) + "{{ \(sum) }}"
            + String(repeating: "{% endif %}", count: blocks)
        #expect(try render(source) == "121")
    }

    @Test func `A long list of branches is not deep`() throws {
        let branches = String(repeating: "{% elif false %}", count: 5000)
        #expect(try render("{% if false %}\(branches){% else %}x{% endif %}") == "x")
    }

    @Test func `An overlong template is refused`() {
        let source = String(repeating: "a", count: ChatTemplate.maximumSourceByteCount + 1)
        expectError(parsing: source, saying: "\(source.utf8.count) bytes")
        #expect(throws: Never.self) { try ChatTemplate(String(source.dropLast())) }
    }

    @Test func `A long message is no reason to refuse`() throws {
        let content = String(repeating: "word ", count: 400_000)
        let rendered = try render(ChatTemplateGolden.qwen.source, content: content)
        #expect(rendered.utf8.count > content.utf8.count)
    }

    /// Whatever is done to a template, it renders or fails with an error.
    @Test func `Damaged templates never trap`() {
        var random = SplitMix64(state: 6)
        let pieces = [
            "{%", "%}", "{{", "}}", "-", "(", ")", "[", ":", "'", "\\", "|", ".", "é", "9",
        ]
        var outcomes = (rendered: 0, failed: 0)
        for round in 0..<3000 {
            let golden = ChatTemplateGolden.all[round % ChatTemplateGolden.all.count]
            var source = Array(golden.source.unicodeScalars)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<source.count, using: &random)
                if Bool.random(using: &random) {
                    source.remove(at: index)
                } else {
                    let piece = pieces.randomElement(using: &random) ?? ""
                    source.insert(contentsOf: piece.unicodeScalars, at: index)
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: source)
            do {
                _ = try render(String(text))
                outcomes.rendered += 1
            } catch {
                outcomes.failed += 1
            }
        }
        #expect(outcomes.rendered > 100)
        #expect(outcomes.failed > 100)
    }

    // MARK: Helpers

    private func expectError(
        parsing source: String, saying words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: ChatTemplateError.self, sourceLocation: sourceLocation) {
            try ChatTemplate(source)
        }
        expect(error, saying: words, sourceLocation)
    }

    private func expectError(
        rendering source: String, saying words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(throws: Never.self, sourceLocation: sourceLocation) { try ChatTemplate(source) }
        let error = #expect(throws: ChatTemplateError.self, sourceLocation: sourceLocation) {
            try render(source)
        }
        expect(error, saying: words, sourceLocation)
    }

    private func expect(
        _ error: ChatTemplateError?, saying words: [String], _ sourceLocation: SourceLocation
    ) {
        let description = error?.description ?? ""
        for word in words where !description.contains(word) {
            Issue.record("'\(description)' lacks '\(word)'", sourceLocation: sourceLocation)
        }
    }
}
