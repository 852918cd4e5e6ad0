import CheckedYAML
import Quantities

extension ComparedSystems {
    /// The file's text with the calibrated values of `self` in place of its own; comments, order
    /// and every other line stay.
    ///
    /// - Throws: if the text is not a file of compared systems.
    package func written(
        into text: String, fileName: String
    ) throws(BaselineTimingError) -> String {
        _ = try Self.parse(text, fileName: fileName)
        let root = try Self.tree(of: text, fileName: fileName)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
        for (path, value) in calibratedValues {
            let keys = path.split(separator: ".").map(String.init)
            let found = keys.reduce(Optional(root)) { $0?[$1] }
            guard let found, let line = found.place.line, let key = keys.last,
                case .text(let old) = found.content,
                let replaced = Self.line(lines[line - 1], key: key, old: old, new: value)
            else {
                throw .file([
                    YAMLProblem(
                        place: found?.place ?? .file(fileName), path: path,
                        rule: "must stand as 'key: value' on a line of its own to be calibrated")
                ])
            }
            lines[line - 1] = replaced
        }
        return lines.joined(separator: "\n")
    }

    /// What calibration chooses, by key path, as the file writes it.
    package var calibratedValues: [(path: String, value: String)] {
        [
            ("hermes.cycles", String(hermes.cyclesPerMultiplyGroup)),
            ("host.sparse_efficiency", host.sparseEfficiency.description),
            ("host.block_cost", host.blockCost.exactDescription),
            ("accelerate.link", accelerate.linkBandwidth.exactDescription),
            ("flexgen.link", flexGen.linkBandwidth.exactDescription),
            ("dejavu.fetched_share", dejaVu.fetchedShare.description),
            ("tensorrt_llm.all_reduce", tensorRTLLM.allReduceCost.exactDescription),
        ]
    }

    /// A line with another value; its comment keeps its column where there is room.
    private static func line(
        _ line: String, key: String, old: String, new: String
    ) -> String? {
        let start = key + ": " + old
        guard line.drop(while: { $0 == " " }).hasPrefix(start),
            let range = line.firstRange(of: start)
        else { return nil }
        let rest = line[range.upperBound...]
        let comment = rest.drop { $0 == " " }
        guard comment.isEmpty || comment.hasPrefix("#") else { return nil }
        let head = line[..<range.lowerBound] + key + ": " + new
        guard !comment.isEmpty else { return String(head) }
        let column = line.distance(from: line.startIndex, to: comment.startIndex)
        let padding = max(1, column - head.count)
        return head + String(repeating: " ", count: padding) + comment
    }
}
