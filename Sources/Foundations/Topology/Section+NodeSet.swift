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

    /// The name of a host, or `nil` within for `local`, the coordinator's; outer `nil` when none is
    /// given. It becomes an argument of ssh or srun, so it never begins with a dash.
    mutating func hostName(_ key: String) -> String?? {
        guard value[key] != nil, let found = optional(key),
            let text = problems.text(of: found, maximumLength: TopologyLimits.hostNameLength)
        else {
            _ = optional(key)
            return nil
        }
        if text == "local" { return .some(nil) }
        let isName = text.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
        }
        guard isName, !text.isEmpty, !text.hasPrefix("-") else {
            problems.add(found, "'\(Wording.clipped(text))' is no host name")
            return nil
        }
        return .some(text)
    }
}
