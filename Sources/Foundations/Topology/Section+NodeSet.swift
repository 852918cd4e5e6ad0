import CheckedYAML

extension Section {
    mutating func nodeSet(_ key: String) -> NodeSet? {
        guard let found = optional(key) else { return nil }
        guard let text = problems.text(of: found) else { return nil }
        do throws(NodeSetError) {
            return try NodeSet(parsing: text)
        } catch {
            problems.add(found, error.description)
            return nil
        }
    }
}
