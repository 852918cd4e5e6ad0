/// Text as part of a page.
package enum HTML {
    package static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
            .replacing("'", with: "&#39;")
    }

    /// Names that may go on in the next line where they are put together.
    static func breakable(_ text: String) -> String {
        escaped(text).replacing("/", with: "/<wbr>").replacing("+", with: "+<wbr>")
    }

    /// A table with a row of titles; cells may be markup, `numeric` columns stand to the right.
    static func table(_ titles: [String], _ rows: [[String]], numeric: Set<Int> = []) -> String {
        func row(_ cells: [String], _ tag: String) -> String {
            let marks = cells.enumerated().map { column, cell in
                let attributes = numeric.contains(column) ? " class=\"n\"" : ""
                return "<\(tag)\(attributes)>\(cell)</\(tag)>"
            }
            return "<tr>\(marks.joined())</tr>\n"
        }
        return "<div class=\"scroll\"><table>\n<thead>" + row(titles, "th") + "</thead>\n<tbody>\n"
            + rows.map { row($0, "td") }.joined() + "</tbody></table></div>\n"
    }
}
