import CheckedYAML
import Quantities

/// A channel, and the place of its node set for checks that need a machine.
struct ChannelSource {
    let channel: Topology.Channel
    let node: TopologyError.Place?
    /// Of its DIMM indices, in the same order.
    let dimmValues: [TreeValue]
}

extension TopologyReader {
    /// Reads the channels and checks that their DIMMs are 0, 1, 2... each exactly once.
    func makeChannels(from value: TreeValue?) -> [ChannelSource] {
        guard let value, let elements = problems.list(value, of: "channels") else { return [] }
        guard !elements.isEmpty else {
            problems.add(value, "has no channels, hence no DIMMs; at least one DIMM is needed")
            return []
        }
        let reportCount = problems.reportCount
        let channels = elements.enumerated().map {
            makeChannel(from: $0.element, index: $0.offset)
        }
        if problems.reportCount == reportCount { checkIndices(of: channels, at: value) }
        return channels
    }

    private func makeChannel(from value: TreeValue, index: Int) -> ChannelSource {
        var section = Section(value, problems: problems)
        let nodeSet = section.nodeSet("node")
        let hostName = section.hostName("host") ?? nil
        let rate = section.quantity("rate", in: TopologyLimits.bandwidth)
        var latency = EmulatedDuration.zero
        if section.value["latency"] != nil {
            latency = section.quantity("latency", in: TopologyLimits.duration)
        } else {
            _ = section.optional("latency")
        }
        let dimms = section.required("dimms").flatMap { dimms -> [(number: Int, at: TreeValue)]? in
            let indices = 0...TopologyLimits.dimmCount - 1
            let list = problems.integers(dimms, of: "DIMM indices", in: indices)
            if case .list(let elements) = dimms.content, elements.isEmpty {
                problems.add(dimms, "has no DIMMs; a channel needs at least one")
            }
            return list
        }
        section.finish()
        let sorted = (dimms ?? []).sorted { $0.number < $1.number }
        return ChannelSource(
            channel: Topology.Channel(
                index: index, nodeSet: nodeSet ?? .all, peakBandwidth: rate, latency: latency,
                hostName: hostName, dimmIndices: sorted.map(\.number)),
            node: section.value["node"]?.place, dimmValues: sorted.map(\.at))
    }

    private func checkIndices(of channels: [ChannelSource], at value: TreeValue) {
        var firstUse: [Int: TreeValue] = [:]
        for source in channels {
            for (index, at) in zip(source.channel.dimmIndices, source.dimmValues) {
                if let first = firstUse[index] {
                    problems.add(
                        at,
                        "DIMM \(index) already stands in \(first.path) (\(first.place)); "
                            + "a DIMM has one place in one channel")
                } else {
                    firstUse[index] = at
                }
            }
        }
        let highest = firstUse.keys.max() ?? 0
        let missing = (0...highest).filter { firstUse[$0] == nil }
        guard let first = missing.first, let above = firstUse[highest] else { return }
        let others = missing.count == 1 ? "" : " (and \(missing.count - 1) more)"
        problems.add(
            above,
            "DIMM \(first)\(others) stands in no channel, though DIMM \(highest) does: "
                + "indices run from 0 without gaps")
    }
}
