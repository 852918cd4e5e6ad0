/// README.md's table of the house, which must say what Package.swift says.
struct ReadmeTable {
    struct Row: Equatable {
        let layer: String
        let target: String
        let responsibility: String
        let imports: Set<String>
        let line: Int
    }

    let rows: [Row]

    /// Reads the table headed `| Layer | Target | Responsibility | Imports |`. A layer is written
    /// once, in its first row; a dash stands for no imports.
    init(_ source: SourceText) {
        var rows: [Row] = []
        var isInside = false
        var layer = ""
        for (index, line) in source.lines.enumerated() {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .dropFirst().dropLast()
                .map { $0.filter { $0 != "`" }.trimmed }
            if cells == ["Layer", "Target", "Responsibility", "Imports"] {
                isInside = true
            } else if cells.count != 4 {
                isInside = false
            } else if isInside, !cells[1].allSatisfy({ "-: ".contains($0) }) {
                if !cells[0].isEmpty { layer = cells[0] }
                rows.append(
                    Row(
                        layer: layer, target: cells[1], responsibility: cells[2],
                        imports: Set(
                            cells[3].split(separator: ",").map(\.trimmed)
                                .filter { !["", "-", "–", "—"].contains($0) }),
                        line: index + 1))
            }
        }
        self.rows = rows
    }

    /// Every difference from the manifest's rows under Sources: their order, layers and imports.
    func differences(from manifest: Manifest, path: String) -> [Finding] {
        let expected = manifest.rows.filter { $0.layer != nil }
        guard rows.map(\.target) == expected.map(\.name) else {
            return [
                Finding(
                    path: path, line: rows.first?.line ?? 1,
                    rule: "the table's targets are \(rows.map(\.target)), "
                        + "Package.swift's are \(expected.map(\.name))")
            ]
        }
        return zip(rows, expected).flatMap { row, target in
            let imports = Set(target.imports + target.products)
            let rules = [
                row.layer == target.layer ? nil : "is of layer \(target.layer ?? "")",
                row.responsibility.isEmpty ? "has no responsibility" : nil,
                row.imports == imports ? nil : "imports \(imports.sorted())",
            ]
            return rules.compactMap(\.self).map {
                Finding(path: path, line: row.line, rule: "\(row.target) \($0)")
            }
        }
    }
}

extension StringProtocol {
    /// Without the spaces at both ends.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
