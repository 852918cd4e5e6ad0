/// The paper's numbers, one row a point, as the project's table of them has them.
package struct PublishedTable: Equatable, Sendable {
    /// One published point.
    package struct Row: Equatable, Sendable {
        /// `9` to `17`, `10*` for a label that another figure states differently, or `text`.
        package let figure: String
        package let system: String
        package let model: String
        /// A number, a list such as `1;4;16`, a range such as `1-16`, or empty.
        package let batch: String
        package let gpu: String
        package let dimms: String
        package let metric: String
        package let published: ReproducedPoint.Published
        package let unit: String
        /// Whether an earlier row states the throughput of the same run.
        package let isRepeat: Bool
        package let note: String
        /// Where the paper contradicts itself or its hardware here; empty where it does not.
        package let contradiction: String

        /// Whether parameters may be chosen by this point: the fitted half is OPT-13B at batch 1;
        /// OPT-66B, LLaMA2-70B and Falcon-40B at batch 1, 4, 16; TensorRT-LLM at batch 1, 16.
        package var isFitted: Bool {
            guard metric == "throughput" else { return false }
            if system == "TensorRT-LLM" { return ["1", "16"].contains(batch) }
            switch model {
            case "OPT-13B": return batch == "1"
            case "OPT-66B", "LLaMA2-70B", "Falcon-40B": return ["1", "4", "16"].contains(batch)
            default: return false
            }
        }
    }

    package let rows: [Row]

    static let titles = [
        "figure", "system", "model", "batch", "gpu", "dimms", "metric", "value", "unit", "dup",
        "note",
    ]
    /// Begins the part of a note that says what cannot be so.
    static let contradictionMark = "Contradiction: "

    /// Reads the table.
    ///
    /// - Throws: what is wrong with which line; nothing is skipped or repaired.
    package init(_ text: String) throws(PublishedTableError) {
        var rows: [Row] = []
        var seen: [[String]: Int] = [:]
        var runs: Set<[String]> = []
        for (line, cells) in try Self.records(text) {
            if line == 1 {
                guard cells == Self.titles else { throw .init(line, "titles are not as agreed") }
                continue
            }
            guard cells.count == Self.titles.count else {
                throw .init(line, "\(cells.count) cells instead of \(Self.titles.count)")
            }
            if let earlier = seen[Array(cells[..<7])] {
                throw .init(line, "the point stands in line \(earlier) already")
            }
            seen[Array(cells[..<7])] = line
            let isRepeat = cells[6] == "throughput" && !runs.insert(Array(cells[1..<6])).inserted
            rows.append(try Self.row(cells, line, isRepeat: isRepeat))
        }
        guard !rows.isEmpty else { throw .init(1, "the table has no points") }
        self.rows = rows
    }

    private static func row(
        _ cells: [String], _ line: Int, isRepeat: Bool
    ) throws(PublishedTableError) -> Row {
        for column in [0, 1, 6, 8] where cells[column].isEmpty {
            throw .init(line, "'\(titles[column])' is empty")
        }
        guard ["", "Fig11"].contains(cells[9]) else {
            throw .init(line, "'\(cells[9])' is no figure that can be repeated")
        }
        guard let published = published(cells[7]) else {
            throw .init(line, "'\(cells[7])' is no number, bound or range")
        }
        let parts = cells[10].split(separator: contradictionMark, maxSplits: 1)
        let hasMark = cells[10].contains(contradictionMark)
        let note = hasMark && parts.count == 1 ? "" : parts.first.map(String.init) ?? ""
        return Row(
            figure: cells[0], system: cells[1], model: cells[2], batch: cells[3], gpu: cells[4],
            dimms: cells[5], metric: cells[6], published: published, unit: cells[8],
            isRepeat: isRepeat, note: trimmed(note),
            contradiction: hasMark ? trimmed(parts.last.map(String.init) ?? "") : "")
    }

    /// Without blanks and semicolons around it.
    private static func trimmed(_ text: String) -> String {
        let edges: Set<Character> = [" ", ";"]
        let front = text.drop { edges.contains($0) }
        return String(String(front.reversed()).drop { edges.contains($0) }.reversed())
    }

    /// `1.5`, `<0.1`, `>80` or `1.2-2.5`; nothing below zero.
    private static func published(_ text: String) -> ReproducedPoint.Published? {
        func number(_ text: Substring) -> Double? {
            guard text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) else { return nil }
            return Double(text)
        }
        if text.hasPrefix("<") { return number(text.dropFirst()).map { .below($0) } }
        if text.hasPrefix(">") { return number(text.dropFirst()).map { .above($0) } }
        if let dash = text.firstIndex(of: "-") {
            guard let low = number(text[..<dash]),
                let high = number(text[text.index(after: dash)...]), low < high
            else { return nil }
            return .between(low, high)
        }
        return number(text[...]).map { .exactly($0) }
    }

    // MARK: Records

    /// The cells of each line, numbered from 1; cells in double quotes may hold commas, and twice
    /// a quote for one, but no line ends.
    private static func records(
        _ text: String
    ) throws(PublishedTableError) -> [(line: Int, cells: [String])] {
        var records: [(line: Int, cells: [String])] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            if line.isEmpty {
                guard index == lines.count - 1 else { throw .init(index + 1, "the line is empty") }
                continue
            }
            records.append((index + 1, try cells(line, index + 1)))
        }
        return records
    }

    private static func cells(
        _ line: Substring, _ number: Int
    ) throws(PublishedTableError) -> [String] {
        var cells = [""]
        var isQuoted = false
        var isClosed = false
        var rest = line
        while let character = rest.popFirst() {
            if isQuoted {
                if character != "\"" {
                    cells[cells.count - 1].append(character)
                } else if rest.first == "\"" {
                    rest.removeFirst()
                    cells[cells.count - 1].append("\"")
                } else {
                    isQuoted = false
                    isClosed = true
                }
            } else if character == "," {
                cells.append("")
                isClosed = false
            } else if isClosed {
                throw .init(number, "something follows a closing quote")
            } else if character == "\"" {
                guard cells.last == "" else { throw .init(number, "a quote inside a cell") }
                isQuoted = true
            } else {
                cells[cells.count - 1].append(character)
            }
        }
        guard !isQuoted else { throw .init(number, "a quote is not closed") }
        return cells
    }
}

/// What is wrong with the table of published points.
package struct PublishedTableError: Error, Equatable, CustomStringConvertible {
    package let line: Int
    package let rule: String

    init(_ line: Int, _ rule: String) {
        self.line = line
        self.rule = rule
    }

    package var description: String { "published points, line \(line): \(rule)" }
}
