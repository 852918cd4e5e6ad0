/// The house list, as Package.swift states it.
struct Manifest: Equatable {
    /// One call of `layer`, `support`, `probe` or `suite`.
    struct Row: Equatable {
        let kind: String
        /// The layer's folder, such as "Mechanisms"; nil for targets under Tests.
        let layer: String?
        let name: String
        let imports: [String]
        let products: [String]
        /// The Debian package behind a module map.
        let apt: String?

        var folder: String { layer.map { "Sources/\($0)/\(name)" } ?? "Tests/\(name)" }
        var isSwift: Bool { layer != "C" }
    }

    /// From the ground up.
    static let layers = ["C", "Foundations", "Mechanisms", "Policy", "Roles", "Programs"]

    let rows: [Row]

    /// Reads the rows, in their order; Package.swift says which form they keep.
    init(_ source: SourceText) {
        let text = source.textWithoutComments
        let row = /\b(layer|support|probe|suite)\(\s*(?:\.(\w+),\s*)?"(\w+)"([^()]*)\)/
        rows = text.matches(of: row).map { match in
            let arguments = match.output.4
            let layer = match.output.2.map { word in
                Manifest.layers.first { $0.lowercased() == word.lowercased() } ?? String(word)
            }
            return Row(
                kind: String(match.output.1), layer: layer, name: String(match.output.3),
                imports: Manifest.list("imports", in: arguments),
                products: Manifest.list("products", in: arguments),
                apt: arguments.firstMatch(of: /apt:\s*"([^"]+)"/).map { String($0.output.1) })
        }
    }

    func row(_ name: String) -> Row? { rows.first { $0.name == name } }

    private static func list(_ label: String, in arguments: Substring) -> [String] {
        let lists = arguments.matches(of: /(\w+):\s*\[([^\]]*)\]/)
        guard let list = lists.first(where: { $0.output.1 == label }) else { return [] }
        return list.output.2.matches(of: /"(\w+)"/).map { String($0.output.1) }
    }
}
