/// How error messages quote and suggest.
package enum Wording {
    package static let longestQuote = 60

    /// The start of a text of any length, safe to print on a terminal.
    package static func clipped(_ text: String) -> String {
        let safe = String(text.prefix(longestQuote).map { isControl($0) ? "?" : $0 })
        return text.count > longestQuote ? safe + "..." : safe
    }

    package static func isControl(_ character: Character) -> Bool {
        character.unicodeScalars.contains { scalar in
            scalar.properties.generalCategory == .control
        }
    }

    /// ` (did you mean 'x'?)` for the candidate that is near enough, else nothing.
    package static func suggestion(for word: String, among candidates: [String]) -> String {
        guard let best = nearest(to: word, among: candidates) else { return "" }
        return "; did you mean '\(best)'?"
    }

    /// The candidate with the fewest edits, if those are at most a third of the word, or 2.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let word = Array(word.lowercased().prefix(longestQuote))
        let allowed = max(2, word.count / 3)
        let scored = candidates.map { candidate in
            (candidate, editDistance(word, Array(candidate.lowercased())))
        }
        let best = scored.min { $0.1 < $1.1 }
        guard let best, best.1 <= allowed, best.1 < word.count else { return nil }
        return best.0
    }

    /// Levenshtein: insertions, deletions and substitutions.
    package static func editDistance(_ first: [Character], _ second: [Character]) -> Int {
        var row = Array(0...second.count)
        for (i, left) in first.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in second.enumerated() {
                let substituted = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[second.count]
    }

    package static func list(_ names: [String]) -> String { names.joined(separator: ", ") }
}
