/// One value of a file before it means anything: text, list or keys, and where it stood.
///
/// Independent of the YAML library, so that `--set` and the built-in parts join the file's values
/// here, each keeping its own place for error messages.
package struct TreeValue {
    package enum Content {
        /// A key with nothing after it.
        case empty
        case text(String)
        case list([TreeValue])
        case keys([Entry])
    }

    package struct Entry {
        package let key: String
        package var value: TreeValue

        package init(key: String, value: TreeValue) {
            self.key = key
            self.value = value
        }
    }

    package var content: Content
    package let path: String
    package let place: YAMLPlace

    package init(content: Content, path: String, place: YAMLPlace) {
        self.content = content
        self.path = path
        self.place = place
    }

    package subscript(key: String) -> TreeValue? {
        guard case .keys(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// What a reader would call this value in a sentence.
    package var kind: String {
        switch content {
        case .empty: "nothing"
        case .text: "a single value"
        case .list: "a list"
        case .keys: "a group of keys"
        }
    }

    package static func joined(_ path: String, _ key: String) -> String {
        path.isEmpty ? key : "\(path).\(key)"
    }

    /// These keys on top of `base`: groups merge key by key, everything else replaces.
    package func merged(over base: TreeValue) -> TreeValue {
        guard case .keys(let mine) = content, case .keys(var entries) = base.content else {
            return self
        }
        for entry in mine {
            if let index = entries.firstIndex(where: { $0.key == entry.key }) {
                let below = entries[index].value
                entries[index] = Entry(key: entry.key, value: entry.value.merged(over: below))
            } else {
                entries.append(entry)
            }
        }
        return TreeValue(content: .keys(entries), path: path, place: place)
    }

    /// Replaces what stands at `keys`, creating groups on the way that do not exist.
    ///
    /// - Returns: the rule that forbids it, or `nil` when done.
    package mutating func set(_ keys: ArraySlice<Substring>, to value: TreeValue) -> String? {
        guard let first = keys.first else {
            self = value
            return nil
        }
        switch content {
        case .keys(let entries):
            return setKey(String(first), in: entries, rest: keys.dropFirst(), to: value)
        case .empty:
            return setKey(String(first), in: [], rest: keys.dropFirst(), to: value)
        case .list(var elements):
            guard let index = Int(first), elements.indices.contains(index) else {
                let count = elements.count
                return "\(path) has elements 0 to \(count - 1), and '\(first)' is none of them"
            }
            if let rule = elements[index].set(keys.dropFirst(), to: value) { return rule }
            content = .list(elements)
            return nil
        case .text:
            return "\(path) is a single value and has no '\(first)' below it"
        }
    }

    private mutating func setKey(
        _ key: String, in entries: [Entry], rest: ArraySlice<Substring>, to value: TreeValue
    ) -> String? {
        var entries = entries
        let index = entries.firstIndex { $0.key == key }
        let missing = TreeValue(
            content: .empty, path: Self.joined(path, key), place: value.place)
        var child = index.map { entries[$0].value } ?? missing
        if let rule = child.set(rest, to: value) { return rule }
        if let index {
            entries[index].value = child
        } else {
            entries.append(Entry(key: key, value: child))
        }
        content = .keys(entries)
        return nil
    }
}
