import CheckedYAML

extension Section {
    /// As ``nodeSet(_:)``; `nil` also for a word that stands for no set of its own.
    mutating func nodeSet(_ key: String, unless word: String) -> NodeSet? {
        if let found = value[key], case .text(word) = found.content {
            _ = optional(key)
            return nil
        }
        return nodeSet(key)
    }

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
