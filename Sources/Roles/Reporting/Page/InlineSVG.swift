import Foundation

/// gnuplot's SVG as part of a page: scalable, in the page's own text colour.
package enum InlineSVG {
    /// - Parameters:
    ///   - svg: a whole file as gnuplot writes it.
    ///   - label: says what the figure shows to those who do not see it.
    /// - Returns: the `svg` element; what is black becomes the text's colour, so that it reads on
    ///   a dark page, too.
    package static func element(_ svg: String, label: String) -> String {
        guard let start = svg.range(of: "<svg") else { return "" }
        var text = String(svg[start.lowerBound...])
        // The plot's description names the plotter; a page has its own.
        for tag in ["title", "desc"] { text = removing(tag, from: text) }
        for black in ["black", "rgb(  0,   0,   0)", "rgb(0,0,0)", "#000000"] {
            for key in ["stroke", "fill", "color"] {
                for quote in ["\"", "'"] {
                    text = text.replacing(
                        "\(key)=\(quote)\(black)\(quote)", with: "\(key)=\"currentColor\"")
                }
                text = text.replacing("\(key):\(black)", with: "\(key):currentColor")
            }
        }
        return text.replacing(
            "<svg", with: "<svg role=\"img\" aria-label=\"\(HTML.escaped(label))\"",
            maxReplacements: 1
        ).replacing(" xmlns=\"http://www.w3.org/2000/svg\"", with: "")
            .replacing(" xmlns:xlink=\"http://www.w3.org/1999/xlink\"", with: "")
    }

    private static func removing(_ tag: String, from text: String) -> String {
        guard let start = text.range(of: "<\(tag)>"),
            let end = text.range(of: "</\(tag)>", range: start.upperBound..<text.endIndex)
        else { return text }
        return text.replacingCharacters(in: start.lowerBound..<end.upperBound, with: "")
    }
}
