import CheckedYAML
import Quantities

extension TopologyReader {
    /// Reads the DIMM-links; `none` means that there are none.
    func makeDIMMLinks(from value: TreeValue?, dimmCount: Int) -> Topology.DIMMLinks? {
        guard let value else { return nil }
        if case .text("none") = value.content { return nil }
        if case .text(let text) = value.content {
            problems.add(
                value, "must be none or a group of keys, not '\(Wording.clipped(text))'")
            return nil
        }
        var section = Section(value, problems: problems)
        let links = Topology.DIMMLinks(
            bandwidth: section.quantity("bandwidth", in: TopologyLimits.bandwidth),
            latency: section.quantity("latency", in: TopologyLimits.duration),
            pairs: section.required("pairs").map { makePairs(from: $0, dimmCount: dimmCount) } ?? []
        )
        section.finish()
        return links
    }

    private func makePairs(from value: TreeValue, dimmCount: Int) -> [Topology.DIMMPair] {
        if case .text(let text) = value.content {
            guard text == "all-pairs" else {
                let hint = Wording.suggestion(for: text, among: ["all-pairs"])
                problems.add(
                    value,
                    "must be all-pairs or a list such as [[0, 1], [2, 3]], not "
                        + "'\(Wording.clipped(text))'\(hint)")
                return []
            }
            return Topology.DIMMLinks.allPairs(dimmCount: dimmCount)
        }
        guard let elements = problems.list(value, of: "pairs, or all-pairs") else { return [] }
        var firstUse: [Topology.DIMMPair: TreeValue] = [:]
        for element in elements {
            guard let (first, second) = twoNumbers(element, of: "DIMM", below: dimmCount) else {
                continue
            }
            let pair = Topology.DIMMPair(first, second)
            if let use = firstUse[pair] {
                problems.add(
                    element,
                    "DIMMs \(pair.lower) and \(pair.upper) are already linked by "
                        + "\(use.path) (\(use.place))")
            } else {
                firstUse[pair] = element
            }
        }
        return firstUse.keys.sorted()
    }

    /// Two different numbers below `count`, or `nil` after reporting why not.
    private func twoNumbers(
        _ value: TreeValue, of what: String, below count: Int
    ) -> (Int, Int)? {
        let range = 0...TopologyLimits.highestNumber
        guard let numbers = problems.integers(value, of: "two \(what)s", in: range) else {
            return nil
        }
        guard case .list(let elements) = value.content, elements.count == numbers.count else {
            return nil
        }
        guard numbers.count == 2 else {
            problems.add(value, "has \(numbers.count) numbers; a link joins two \(what)s")
            return nil
        }
        for (number, at) in numbers where number >= count {
            problems.add(
                at, "\(what) \(number) does not exist; \(what)s are 0 to \(count - 1)")
            return nil
        }
        guard numbers[0].number != numbers[1].number else {
            problems.add(value, "links \(what) \(numbers[0].number) with itself")
            return nil
        }
        return (numbers[0].number, numbers[1].number)
    }

    /// Reads links between nodes: stated one by one, derived from distances, or both.
    func makeInterconnect(from value: TreeValue) -> Topology.Interconnect {
        var section = Section(value, problems: problems)
        var links: [Topology.DIMMPair: Topology.NodeLink] = [:]
        var distances: Topology.NodeDistances?
        let hasDistances = section.value["distances"] != nil
        let hasLinks = section.value["links"] != nil
        if hasDistances {
            let read = Topology.NodeDistances(
                rows: section.required("distances").map { matrix($0) } ?? [],
                localBandwidth: section.quantity("local_bandwidth", in: TopologyLimits.bandwidth),
                localLatency: section.quantity("local_latency", in: TopologyLimits.duration))
            for link in read.links {
                checkDerived(link, in: section)
                links[Topology.DIMMPair(link.lowerNode, link.upperNode)] = link
            }
            distances = read
        } else {
            for key in ["distances", "local_bandwidth", "local_latency"] {
                _ = section.optional(key)
            }
        }
        if let list = section.optional("links") {
            links.merge(statedLinks(list)) { _, stated in stated }
        }
        if section.isSound, !hasDistances, !hasLinks {
            problems.add(value, "states no links: give links, or distances")
        }
        section.finish()
        return Topology.Interconnect(
            links: links.sorted { $0.key < $1.key }.map(\.value), distances: distances)
    }

    /// A distance may ask for less than what is read; a link of its own would be refused as well.
    private func checkDerived(_ link: Topology.NodeLink, in section: Section) {
        let key: String
        let rule: String
        if !TopologyLimits.bandwidth.contains(link.bandwidth) {
            let range = TopologyLimits.bandwidth
            key = "local_bandwidth"
            rule =
                "leaves \(link.bandwidth), which is outside \(range.lowerBound) to "
                + "\(range.upperBound)"
        } else if !TopologyLimits.duration.contains(link.latency) {
            key = "local_latency"
            rule = "adds \(link.latency), which is above \(TopologyLimits.duration.upperBound)"
        } else {
            return
        }
        section.report(
            [key],
            "the distance of nodes \(link.lowerNode) and \(link.upperNode) \(rule)")
    }

    private func statedLinks(_ value: TreeValue) -> [Topology.DIMMPair: Topology.NodeLink] {
        guard let elements = problems.list(value, of: "links") else { return [:] }
        var links: [Topology.DIMMPair: Topology.NodeLink] = [:]
        for element in elements {
            var section = Section(element, problems: problems)
            let nodes = section.required("nodes").flatMap { nodes in
                twoNumbers(nodes, of: "node", below: NodeSet.maximumNode + 1)
            }
            let bandwidth = section.quantity("bandwidth", in: TopologyLimits.bandwidth)
            let latency = section.quantity("latency", in: TopologyLimits.duration)
            section.finish()
            guard let nodes else { continue }
            let pair = Topology.DIMMPair(nodes.0, nodes.1)
            if links[pair] != nil {
                problems.add(
                    element, "nodes \(pair.lower) and \(pair.upper) are already linked above")
            }
            links[pair] = Topology.NodeLink(
                lowerNode: pair.lower, upperNode: pair.upper, bandwidth: bandwidth,
                latency: latency)
        }
        return links
    }

    /// A square, symmetric matrix of SLIT distances with 10 on its diagonal; else empty.
    private func matrix(_ value: TreeValue) -> [[Int]] {
        guard let rows = problems.list(value, of: "rows") else { return [] }
        guard rows.count <= TopologyLimits.distanceNodes else {
            problems.add(
                value, "has \(rows.count) rows; at most \(TopologyLimits.distanceNodes) are read")
            return []
        }
        let reportCount = problems.reportCount
        let read = rows.map { row in
            problems.integers(row, of: "distances", in: TopologyLimits.distance) ?? []
        }
        guard problems.reportCount == reportCount else { return [] }
        for (row, at) in zip(read, rows) where row.count != rows.count {
            problems.add(at, "has \(row.count) distances; the matrix has \(rows.count) rows")
        }
        guard problems.reportCount == reportCount else { return [] }
        for i in rows.indices {
            for j in rows.indices {
                let (distance, at) = read[i][j]
                if i == j, distance != TopologyLimits.distance.lowerBound {
                    problems.add(at, "the distance of a node to itself is 10, not \(distance)")
                } else if i != j, distance == TopologyLimits.distance.lowerBound {
                    problems.add(at, "10 is the distance of a node to itself; others are above")
                } else if j < i, distance != read[j][i].number {
                    problems.add(
                        at,
                        "distance \(distance) of nodes \(i) and \(j) differs from "
                            + "\(read[j][i].number) the other way; only symmetric ones are modelled"
                    )
                }
            }
        }
        return problems.reportCount == reportCount ? read.map { $0.map(\.number) } : []
    }
}

extension Topology.NodeDistances {
    /// ACPI's reading of distance d: memory there is d/10 as far as a node's own. So a link adds
    /// (d - 10)/10 of the local latency, and passes 10/d of the local bandwidth.
    fileprivate var links: [Topology.NodeLink] {
        var links: [Topology.NodeLink] = []
        for lower in rows.indices {
            for upper in rows.indices where upper > lower {
                let distance = UInt64(rows[lower][upper])
                let added = localLatency.picoseconds * (distance - 10)
                links.append(
                    Topology.NodeLink(
                        lowerNode: lower, upperNode: upper,
                        // Rounded against the link: slower, later.
                        bandwidth: Bandwidth(
                            bytesPerSecond: localBandwidth.bytesPerSecond * 10 / distance),
                        latency: EmulatedDuration(picoseconds: (added + 9) / 10)))
            }
        }
        return links
    }
}

extension Topology.DIMMLinks {
    /// Every pair of `dimmCount` DIMMs, ascending.
    static func allPairs(dimmCount: Int) -> [Topology.DIMMPair] {
        (0..<dimmCount).flatMap { lower in
            (lower + 1..<max(dimmCount, lower + 1)).map { Topology.DIMMPair(lower, $0) }
        }
    }
}
