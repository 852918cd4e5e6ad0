import Quantities

extension Topology {
    /// The machine at a glance: a drawing from GPU to DIMMs, then one line a part.
    package func summaryTable() -> String {
        var lines = [name]
        if !summary.isEmpty { lines += Self.wrapped(summary, width: 90) }
        lines += ["", "GPU  \(gpu.name)", " |   \(gpuLine)"]
        lines += [
            " |", " |   PCIe \(pcie.peakBandwidth) x \(pcie.efficiency), \(pcie.latency)", " |",
        ]
        lines += channelLines + [""] + partLines
        return lines.joined(separator: "\n") + "\n"
    }

    private var gpuLine: String {
        "\(gpu.memoryCapacity) (\(gpu.usableMemory) usable), "
            + "\(gpu.peakBandwidth) x \(gpu.bandwidthEfficiency), "
            + "\(gpu.peakComputeRate) x \(gpu.computeEfficiency), "
            + "synchronisation \(gpu.synchronisationCost)"
    }

    private var channelLines: [String] {
        let width = channels.map { channelLabel($0).count }.max() ?? 0
        return channels.flatMap { channel -> [String] in
            let label = channelLabel(channel)
            let dashes = String(repeating: "-", count: width - label.count + 2)
            let stem = channel.index == channels.count - 1 ? "     " : " |   "
            let blank = stem + String(repeating: " ", count: width + 3)
            return channel.dimmIndices.enumerated().map { position, index in
                let left = position == 0 ? " +-- \(label) \(dashes)" : blank
                return left + "+-- " + dimmLabel(dimms[index])
            }
        }
    }

    private func channelLabel(_ channel: Channel) -> String {
        "channel \(channel.index)  \(channel.peakBandwidth)"
    }

    private func dimmLabel(_ dimm: DIMM) -> String {
        "DIMM \(dimm.index)  node \(dimm.nodeSet)  \(dimm.memoryCapacity), \(dimm.rankCount) "
            + (dimm.rankCount == 1 ? "rank" : "ranks")
    }

    private var partLines: [String] {
        var lines: [String] = []
        var described: [(parts: RenderedValue, indices: [Int])] = []
        for dimm in dimms {
            let parts = dimm.renderedParts
            if let known = described.firstIndex(where: { $0.parts == parts }) {
                described[known].indices.append(dimm.index)
            } else {
                described.append((parts, [dimm.index]))
            }
        }
        for kind in described {
            guard let first = kind.indices.first else { continue }
            let which =
                described.count == 1
                ? "each DIMM" : "DIMM " + kind.indices.map(String.init).joined(separator: ",")
            lines += Self.description(of: dimms[first], called: which)
        }
        lines.append("DIMM-links    \(linksLine)")
        if let interconnect {
            for link in interconnect.links {
                lines.append(
                    "interconnect  nodes \(link.lowerNode) - \(link.upperNode): "
                        + "\(link.bandwidth), \(link.latency)")
            }
        }
        lines.append("policy        hot share \(policy.hotShare)")
        return lines
    }

    private static func description(of dimm: DIMM, called which: String) -> [String] {
        let dram = dimm.dram
        let core = dimm.ndpCore
        let unit = dimm.activationUnit
        // Two transfers per clock: DDR4-3200 is clocked at 1.6 GHz.
        let transferRate = dram.clock.hertz * 2 / 1_000_000
        let rate = DecimalRate.giga(core.macsPerSecond)
        return [
            "\(which):",
            "  DRAM        \(dram.generation.rawValue)-\(transferRate), "
                + "\(dram.bankGroupCount) x \(dram.banksPerGroup) banks, "
                + "\(dram.addressMapping.rawValue), refresh \(dram.refreshes ? "on" : "off"), "
                + "\(dimm.peakInternalBandwidth) inside, layout \(dimm.neuronLayout.rawValue)",
            "  NDP core    \(core.multiplierCount) multipliers x \(core.lanesPerMultiplier) lanes "
                + "/ \(core.cyclesPerMultiplyGroup) cycles at \(core.clock) = \(rate) GMAC/s, "
                + "buffer \(core.bufferCapacity), overlap \(core.overlap.rawValue)",
            "  activation  \(unit.exponentialUnitCount) exp, \(unit.adderCount) add, "
                + "\(unit.multiplierCount) mul at \(unit.clock)",
        ]
    }

    private var linksLine: String {
        guard let dimmLinks else { return "none" }
        let pairs = dimmLinks.pairs
        let all = pairs == DIMMLinks.allPairs(dimmCount: dimms.count)
        let which =
            all
            ? pairs.count == 1 ? "its only pair" : "all \(pairs.count) pairs"
            : pairs.map { "\($0.lower)-\($0.upper)" }.joined(separator: " ")
        return "\(dimmLinks.bandwidth), \(dimmLinks.latency), \(which)"
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(whereSeparator: \.isWhitespace) {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}

/// Rates that have no unit type of their own.
private enum DecimalRate {
    /// In 10⁹ per second, with two decimals, rounded down.
    static func giga(_ rate: UInt64) -> String {
        let hundredths = rate / 10_000_000
        let fraction = String(100 + hundredths % 100).dropFirst()
        return "\(hundredths / 100).\(fraction)"
    }
}
