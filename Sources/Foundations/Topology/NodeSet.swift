/// NUMA nodes as numactl writes them: `0,2` `0-3` `!1` `all` `+0-1`.
///
/// A text and its structure only. Which nodes it means depends on a machine, which is given as a
/// value to ``resolved(existing:allowed:)``: no libnuma here.
package struct NodeSet: Hashable, Sendable, CustomStringConvertible {
    /// Highest node number that is read; Linux is built for at most 1024 nodes.
    package static let maximumNode = 1023
    package static let all = NodeSet(selection: .all, isInverted: false)

    private enum Selection: Hashable, Sendable {
        case all
        /// Node numbers of the machine.
        case absolute([ClosedRange<Int>])
        /// Positions in the ascending list of allowed nodes.
        case relative([ClosedRange<Int>])
    }

    private let selection: Selection
    private let isInverted: Bool

    private init(selection: Selection, isInverted: Bool) {
        self.selection = selection
        self.isInverted = isInverted
    }

    /// A set of exactly one node.
    package init(node: Int) {
        precondition((0...Self.maximumNode).contains(node))
        self.init(selection: .absolute([node...node]), isInverted: false)
    }

    /// Reads `[!][+]LIST` or `[!]all`, where LIST is numbers and ascending ranges with commas.
    package init(parsing text: String) throws(NodeSetError) {
        var rest = text[...]
        guard !rest.isEmpty else { throw .empty }
        let isInverted = rest.hasPrefix("!")
        if isInverted { rest.removeFirst() }
        let isRelative = rest.hasPrefix("+")
        if isRelative { rest.removeFirst() }
        if rest == "all" {
            if isInverted { throw .selectsNothing(text) }
            guard !isRelative else { throw .malformed(text, part: "+all") }
            self = .all
            return
        }
        var ranges: [ClosedRange<Int>] = []
        for part in rest.split(separator: ",", omittingEmptySubsequences: false) {
            ranges.append(try Self.range(part, of: text))
        }
        let merged = Self.merged(ranges)
        self.init(
            selection: isRelative ? .relative(merged) : .absolute(merged), isInverted: isInverted)
    }

    /// The node numbers this means on a machine, ascending, at least one.
    ///
    /// - Parameters:
    ///   - existing: nodes that the machine has.
    ///   - allowed: those that this process may use (cpuset); `nil` means all that exist.
    package func resolved(
        existing: [Int], allowed: [Int]? = nil
    ) throws(NodeSetError) -> [Int] {
        let existing = Set(existing).sorted()
        let allowed = Set(allowed ?? existing).intersection(existing).sorted()
        var chosen: Set<Int> = []
        switch selection {
        case .all: chosen = Set(allowed)
        case .absolute(let ranges):
            for node in ranges.joined() {
                guard existing.contains(node) else {
                    throw .missingNode(node, of: description, existing: existing)
                }
                guard isInverted || allowed.contains(node) else {
                    throw .forbiddenNode(node, of: description, allowed: allowed)
                }
                chosen.insert(node)
            }
        case .relative(let ranges):
            for position in ranges.joined() {
                guard position < allowed.count else {
                    throw .missingPosition(position, of: description, allowed: allowed)
                }
                chosen.insert(allowed[position])
            }
        }
        let result = isInverted ? allowed.filter { !chosen.contains($0) } : chosen.sorted()
        guard !result.isEmpty else { throw .selectsNothing(description) }
        return result
    }

    /// Canonical text: ascending, ranges joined. Reads back as an equal value.
    package var description: String {
        let sign = isInverted ? "!" : ""
        return switch selection {
        case .all: sign + "all"
        case .absolute(let ranges): sign + Self.list(ranges)
        case .relative(let ranges): sign + "+" + Self.list(ranges)
        }
    }

    private static func range(
        _ part: Substring, of text: String
    ) throws(NodeSetError) -> ClosedRange<Int> {
        let ends = part.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first, let last = ends.last else {
            throw .malformed(text, part: String(part))
        }
        let lower = try node(first, of: text, part: part)
        let upper = try node(last, of: text, part: part)
        guard lower <= upper else { throw .descending(text, part: String(part)) }
        return lower...upper
    }

    private static func node(
        _ digits: Substring, of text: String, part: Substring
    ) throws(NodeSetError) -> Int {
        guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else {
            throw .malformed(text, part: String(part))
        }
        guard let node = Int(digits), node <= maximumNode else {
            throw .tooLarge(text, part: String(part))
        }
        return node
    }

    /// Ascending, with what overlaps or touches joined, so that equal sets have equal values.
    private static func merged(_ ranges: [ClosedRange<Int>]) -> [ClosedRange<Int>] {
        var result: [ClosedRange<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound + 1 {
                let upper = max(last.upperBound, range.upperBound)
                result[result.count - 1] = last.lowerBound...upper
            } else {
                result.append(range)
            }
        }
        return result
    }

    private static func list(_ ranges: [ClosedRange<Int>]) -> String {
        let parts = ranges.map { range in
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        return parts.joined(separator: ",")
    }
}

/// Why a text names no set of nodes, or none on a given machine.
package enum NodeSetError: Error, Equatable, CustomStringConvertible {
    case empty
    case malformed(String, part: String)
    case descending(String, part: String)
    case tooLarge(String, part: String)
    case selectsNothing(String)
    case missingNode(Int, of: String, existing: [Int])
    case missingPosition(Int, of: String, allowed: [Int])
    case forbiddenNode(Int, of: String, allowed: [Int])

    package var description: String {
        switch self {
        case .empty: "is empty; write a node set such as 0, 0,2, 0-3, !1, +0-1 or all"
        case .malformed(let text, let part):
            "'\(part)' in '\(text)' is no node; write a set such as 0, 0,2, 0-3, !1, +0-1 or all"
        case .descending(let text, let part): "range '\(part)' in '\(text)' runs downwards"
        case .tooLarge(let text, let part):
            "'\(part)' in '\(text)' is above the highest node number, \(NodeSet.maximumNode)"
        case .selectsNothing(let text): "'\(text)' leaves no node"
        case .missingNode(let node, let text, let existing):
            "node \(node) of '\(text)' does not exist; this machine has \(Self.nodes(existing))"
        case .missingPosition(let position, let text, let allowed):
            "'\(text)' asks for allowed node number \(position), counted from 0; allowed are "
                + Self.nodes(allowed)
        case .forbiddenNode(let node, let text, let allowed):
            "node \(node) of '\(text)' is not allowed to this process (cpuset); allowed are "
                + Self.nodes(allowed)
        }
    }

    private static func nodes(_ list: [Int]) -> String {
        guard !list.isEmpty else { return "no nodes" }
        return (list.count == 1 ? "node " : "nodes ") + list.map(String.init).joined(separator: ",")
    }
}
