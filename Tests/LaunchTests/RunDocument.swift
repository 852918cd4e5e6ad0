import Foundation
import Testing

/// What `run --json` writes, as far as tests read it.
struct RunDocument: Decodable {
    struct DIMM: Decodable {
        struct Host: Decodable { let pid: Int32 }

        let index: Int
        let activeNeurons: Int
        let host: Host
    }

    struct Model: Decodable { let sha256: String }

    let model: Model
    let promptTokens: [Int]
    let generatedTokens: [Int]
    /// Null where a margin is not a number.
    let logitMargins: [Double?]
    let text: String
    let stopReason: String
    let mode: String
    let dimms: [DIMM]

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(RunDocument.self, from: Data(bytes))
    }
}

/// A JSON document without every `host` member, and without the names of hosts in a topology, keys
/// sorted: equal runs have equal bytes.
func withoutHost(_ bytes: [UInt8]) throws -> [UInt8] {
    let document = try JSONSerialization.jsonObject(with: Data(bytes))
    let data = try JSONSerialization.data(
        withJSONObject: removingHost(document), options: [.sortedKeys, .prettyPrinted])
    return [UInt8](data)
}

private func removingHost(_ value: Any) -> Any {
    if let members = value as? [String: Any] {
        // The second is a topology's own word, such as "dimm_overrides.0.host".
        return members.filter { $0.key != "host" && !$0.key.hasSuffix(".host") }
            .mapValues { removingHost($0) }
    }
    if let elements = value as? [Any] { return elements.map { removingHost($0) } }
    return value
}

/// Holds a run to a reference: the same tokens, and at each the same distance between the two best
/// logits within `tolerance`. Tokens may part only where the reference hardly prefers its own; the
/// comparison ends there, and that is noted.
func expectAgreement(
    of document: RunDocument, with expected: [Int], margins: [Double?], within tolerance: Double,
    _ label: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    let tokens = document.generatedTokens
    #expect(tokens.count == expected.count, "\(label)", sourceLocation: sourceLocation)
    #expect(
        document.logitMargins.count == tokens.count, "\(label)", sourceLocation: sourceLocation)
    for (place, pair) in zip(tokens, expected).enumerated() {
        let margin = margins[place] ?? 0
        if pair.0 != pair.1 {
            let note =
                "\(label): token \(place) is \(pair.0), not \(pair.1); the reference's "
                + "margin there is \(margin)"
            if margin < smallestDecisiveMargin {
                Issue.record("\(note)", severity: .warning, sourceLocation: sourceLocation)
            } else {
                Issue.record("\(note)", sourceLocation: sourceLocation)
            }
            return
        }
        let own = document.logitMargins[place] ?? .infinity
        if abs(own - margin) > tolerance {
            Issue.record(
                "\(label): the margin at token \(place) is \(own), the reference's \(margin)",
                sourceLocation: sourceLocation)
            return
        }
    }
}

/// Logits closer than this may change places with the order of additions.
let smallestDecisiveMargin = 0.02
