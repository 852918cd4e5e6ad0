/// The rules that need one file and nothing else.
enum TextRules {
    static let maximumLineCount = 450
    static let maximumColumnCount = 100
    static let maximumFunctionLineCount = 70
    static let maximumPointerFileCount = 1

    static func size(of file: SourceText) -> [Finding] {
        let lineCount = file.lines.count - (file.lines.last == "" ? 1 : 0)
        let long =
            lineCount > maximumLineCount
            ? [file.finding(lineCount, "more than \(maximumLineCount) lines")] : []
        return long
            + file.lines.enumerated().filter { $0.element.count > maximumColumnCount }.map {
                file.finding($0.offset + 1, "more than \(maximumColumnCount) columns")
            }
    }

    static func functionLengths(in file: SourceText) -> [Finding] {
        FunctionLength.all(in: file).filter { $0.lineCount > maximumFunctionLineCount }.map {
            file.finding($0.firstLine, "a function of \($0.lineCount) lines")
        }
    }

    /// No work left for later, no crash where an error belongs, one test library.
    static func bannedWords(in file: SourceText) -> [Finding] {
        let bannedInComments: Set = ["TODO", "FIXME", "XXX"]
        let comments = file.comments.enumerated().flatMap { index, comment in
            comment.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
                .filter { bannedInComments.contains(String($0)) }
                .map { file.finding(index + 1, "\($0): do it or leave it out") }
        }
        let banned: Set = ["fatalError", "XCTest", "XCTestCase"]
        let tokens = file.tokens
        let words = tokens.filter { banned.contains($0.text) }.map {
            file.finding($0.line, "\($0.text) is not used here")
        }
        let pairs = zip(tokens, tokens.dropFirst()).filter { first, second in
            let isAdjacent = first.byteOffset + first.text.utf8.count == second.byteOffset
            let pair = first.text + second.text
            return isAdjacent && ["try!", "@testable"].contains(pair)
        }.map { file.finding($0.0.line, "\($0.0.text)\($0.1.text) is not used here") }
        return comments + words + pairs
    }

    /// What switches a check of the compiler off gives its proof on the same line or just above.
    static func unprovenPromises(in file: SourceText) -> [Finding] {
        let tokens = file.tokens
        return tokens.indices.filter { index in
            let next = tokens[index...].prefix(3).map(\.text)
            return next == ["@", "unchecked", "Sendable"] || next == ["nonisolated", "(", "unsafe"]
        }.filter { index in
            let line = tokens[index].line
            // Attributes may stand between the comment and what it proves.
            var above = line - 1
            while above > 0, beginsWithAttribute(above, tokens) { above -= 1 }
            return file.comments[max(0, above - 1)..<line].allSatisfy(\.isEmpty)
        }.map { file.finding(tokens[$0].line, "needs a comment that proves it") }
    }

    private static func beginsWithAttribute(_ line: Int, _ tokens: [Token]) -> Bool {
        tokens.contains { $0.line == line && $0.isFirstOnLine && $0.text == "@" }
    }

    /// A path of somebody's machine means nothing on another.
    static func foreignPaths(in file: SourceText) -> [Finding] {
        let folders = ["home", "root", "tmp", "work", "Users"].map { "/\($0)/" }
        return file.lines.enumerated().flatMap { index, line in
            folders.filter { folder in
                line.ranges(of: folder).contains { range in
                    // Behind a name, as in "Sources/tmp/", it is a path of this clone.
                    guard range.lowerBound > line.startIndex else { return true }
                    let before = line[line.index(before: range.lowerBound)]
                    return !before.isLetter && !before.isNumber && !"._-}*".contains(before)
                }
            }.map { file.finding(index + 1, "names the folder \($0)") }
        }
    }

    /// Raw pointers stay in one file of a module, whose header says so.
    static func scatteredPointers(files: [SourceText]) -> [Finding] {
        let modules = Dictionary(grouping: files.filter { $0.path.hasPrefix("Sources/") }) { file in
            file.path.split(separator: "/").prefix(3).joined(separator: "/")
        }
        return modules.values.flatMap { files in
            let naming = files.filter { file in file.tokens.contains(where: isPointerType) }
            let unannounced = naming.filter { !$0.header.lowercased().contains("pointer") }.map {
                $0.finding(1, "names pointer types, and its header does not say so")
            }
            let paths = naming.map(\.path).sorted()
            let surplus = naming.sorted { $0.path < $1.path }.dropFirst(maximumPointerFileCount)
                .map { $0.finding(1, "names pointer types, as does \(paths[0])") }
            return unannounced + surplus
        }
    }

    private static func isPointerType(_ token: Token) -> Bool {
        token.text == "OpaquePointer"
            || (token.text.hasPrefix("Unsafe") && token.text.hasSuffix("Pointer"))
    }
}
