/// Columns as wide as their longest cell: the first to the left, the others to the right.
struct TextTable {
    private var rows: [[String]]
    private let leadingColumnIsText: Bool

    init(_ titles: [String], leadingColumnIsText: Bool = true) {
        rows = [titles]
        self.leadingColumnIsText = leadingColumnIsText
    }

    /// - Parameter row: may have fewer cells than titles.
    mutating func add(_ row: [String]) {
        precondition(row.count <= rows[0].count)
        rows.append(row)
    }

    /// Without blanks at line ends.
    var lines: [String] {
        let widths = rows[0].indices.map { column in
            rows.reduce(0) { max($0, column < $1.count ? $1[column].count : 0) }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                guard column == 0, leadingColumnIsText else {
                    return Text.padded(cell, widths[column])
                }
                let missing = row.count == 1 ? 0 : widths[column] - cell.count
                return cell + String(repeating: " ", count: missing)
            }.joined(separator: " ")
        }
    }
}
