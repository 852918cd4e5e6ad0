/// Every machine fact in a topology file has its source in a comment.
enum TopologyRules {
    /// Keys whose numbers number things of the file itself; they state no fact of a machine.
    private static let structural = [
        "format", "name", "index", "id", "node", "nodes", "dimm", "dimms", "channel", "between",
    ]

    /// What a comment says when it tells where a number is from.
    private static let origins = [
        "source", "paper", "jesd", "ramulator", "data sheet", "implied by", "measured",
        "assumption", "no figure published", "as for the", "calibrated on the fitted half",
    ]

    /// The source stands on the line, in the comment above it, or on the key that the line belongs
    /// to; a list item also inherits that of the item before it.
    static func unsourcedNumbers(in file: SourceText) -> [Finding] {
        var isSourced: [Bool] = []
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            let content = content(of: line)
            let isComment = content.allSatisfy { $0 == " " }
            let above =
                index > 0
                && self.content(of: file.lines[index - 1]).allSatisfy {
                    $0 == " "
                } && !file.lines[index - 1].isEmpty && isSourced[index - 1]
            var sourced = namesOrigin(file.comments[index]) || above
            if !isComment && !sourced {
                sourced = inherits(index, file, isSourced)
                if statesFact(content) && !sourced {
                    findings.append(file.finding(index + 1, "a number without its source"))
                }
            }
            isSourced.append(sourced)
        }
        return findings
    }

    private static func inherits(_ index: Int, _ file: SourceText, _ isSourced: [Bool]) -> Bool {
        let indent = file.lines[index].prefix { $0 == " " }.count
        let isItem = file.lines[index].dropFirst(indent).hasPrefix("- ")
        for earlier in (0..<index).reversed() {
            let content = content(of: file.lines[earlier])
            guard let first = content.firstIndex(where: { $0 != " " }) else { continue }
            let earlierIndent = content.distance(from: content.startIndex, to: first)
            if earlierIndent < indent { return isSourced[earlier] }
            if isItem, earlierIndent == indent { return isSourced[earlier] }
        }
        return false
    }

    private static func namesOrigin(_ comment: String) -> Bool {
        let text = comment.lowercased()
        return origins.contains { text.contains($0) }
    }

    private static func content(of line: Substring) -> Substring {
        line.prefix { $0 != "#" }
    }

    /// Whether a value outside the structural keys begins with a digit.
    private static func statesFact(_ content: Substring) -> Bool {
        let pairs = content.matches(of: /([\w-]+)\s*:\s*(\[[^\]]*\]|"[^"]*"|[^,{}\[\]]*)/)
        let facts = pairs.filter { !structural.contains(String($0.output.1)) }
        return facts.contains { $0.output.2.contains(/(?:^|[\s\[,"-])\d/) }
    }
}
