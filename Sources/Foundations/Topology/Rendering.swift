import CheckedYAML
import Quantities

/// What is written: the keys of a topology file, in the order a newcomer reads them.
indirect enum RenderedValue: Equatable {
    /// A value that needs no quotes.
    case plain(String)
    /// Free text, quoted.
    case quoted(String)
    /// Written in brackets on one line.
    case list([RenderedValue])
    /// Written in braces on one line.
    case inline([(key: String, value: RenderedValue)])
    /// One element a line, below the key.
    case lines([RenderedValue])
    /// One key a line, below the key.
    case group([(key: String, value: RenderedValue)])

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.flow == rhs.flow }

    /// On one line, as YAML's flow style.
    var flow: String {
        switch self {
        case .plain(let text): text
        case .quoted(let text): Self.quotedText(text)
        case .list(let elements), .lines(let elements):
            "[\(elements.map(\.flow).joined(separator: ", "))]"
        case .inline(let entries), .group(let entries):
            "{ \(entries.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ")) }"
        }
    }

    /// Lines of YAML below a key, each with its indentation.
    func block(indentation: Int) -> [String] {
        let indent = String(repeating: " ", count: indentation)
        switch self {
        case .group(let entries):
            return entries.flatMap { entry -> [String] in
                let inner = entry.value.block(indentation: indentation + 2)
                guard inner.isEmpty else { return ["\(indent)\(entry.key):"] + inner }
                return ["\(indent)\(entry.key): \(entry.value.flow)"]
            }
        case .lines(let elements):
            return elements.map { "\(indent)- \($0.flow)" }
        default:
            return []
        }
    }

    /// Every single value with its path, in the order of the file.
    func flattened(at path: String) -> [(path: String, value: String)] {
        switch self {
        case .plain(let text), .quoted(let text): return [(path, text)]
        case .list(let elements), .lines(let elements):
            return elements.enumerated().flatMap { index, element in
                element.flattened(at: TreeValue.joined(path, String(index)))
            }
        case .inline(let entries), .group(let entries):
            return entries.flatMap { $0.value.flattened(at: TreeValue.joined(path, $0.key)) }
        }
    }

    /// Of a group, only the keys whose values differ from those of `base`; `nil` when none does.
    func difference(from base: RenderedValue) -> RenderedValue? {
        guard case .group(let mine) = self, case .group(let theirs) = base else {
            return self == base ? nil : self
        }
        let changed = mine.compactMap { entry -> (key: String, value: RenderedValue)? in
            guard let other = theirs.first(where: { $0.key == entry.key }) else { return entry }
            return entry.value.difference(from: other.value).map { (entry.key, $0) }
        }
        return changed.isEmpty ? nil : .group(changed)
    }

    private static func quotedText(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _
            where scalar.properties.generalCategory == .control
                || !scalar.isASCII && scalar.properties.isWhitespace:
                // Line breaks other than \n would be folded into spaces.
                result += "\\U" + Self.hexadecimal(scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

extension Topology {
    /// The resolved topology as YAML, nothing left to defaults; parses back to an equal value.
    package func rendered() -> String {
        document.block(indentation: 0).joined(separator: "\n") + "\n"
    }

    /// Every value as text under its key path, in the order of the file, for provenance.
    package var resolved: [(path: String, value: String)] { document.flattened(at: "") }

    private var document: RenderedValue {
        var entries: [(key: String, value: RenderedValue)] = [
            ("format", .plain(String(Self.formatVersion))),
            ("name", .quoted(name)), ("description", .quoted(summary)),
            ("gpu", gpu.rendered), ("pcie", pcie.rendered),
            ("coordinator", coordinator.rendered),
            ("channels", .lines(channels.map(\.rendered))),
        ]
        if let first = dimms.first { entries.append(("dimm", first.renderedParts)) }
        let changed = dimms.compactMap { renderedOverride(of: $0) }
        if !changed.isEmpty { entries.append(("dimm_overrides", .group(changed))) }
        entries.append(("dimm_links", renderedLinks))
        if let interconnect { entries.append(("interconnect", interconnect.rendered)) }
        entries.append(("policy", .group([("hot_share", .plain(policy.hotShare.description))])))
        if !faults.isEmpty { entries.append(("faults", .lines(faults.map { .quoted($0) }))) }
        return .group(entries)
    }

    private func renderedOverride(of dimm: DIMM) -> (key: String, value: RenderedValue)? {
        guard let first = dimms.first else { return nil }
        var entries: [(key: String, value: RenderedValue)] = []
        if dimm.nodeSet != channels[dimm.channelIndex].nodeSet {
            entries.append(("node", .quoted(dimm.nodeSet.description)))
        }
        if dimm.hostName != channels[dimm.channelIndex].hostName {
            entries.append(("host", .quoted(dimm.hostName ?? "local")))
        }
        if case .group(let parts) = dimm.renderedParts.difference(from: first.renderedParts) {
            entries += parts
        }
        return entries.isEmpty ? nil : (String(dimm.index), .group(entries))
    }

    private var renderedLinks: RenderedValue {
        guard let dimmLinks else { return .plain("none") }
        let all = dimmLinks.pairs == DIMMLinks.allPairs(dimmCount: dimms.count)
        let pairs = dimmLinks.pairs.map { pair in
            RenderedValue.list([.plain(String(pair.lower)), .plain(String(pair.upper))])
        }
        return .group([
            ("bandwidth", .plain(dimmLinks.bandwidth.exactDescription)),
            ("latency", .plain(dimmLinks.latency.exactDescription)),
            ("pairs", all ? .plain("all-pairs") : .list(pairs)),
        ])
    }
}

extension Topology.GPU {
    var rendered: RenderedValue {
        .group([
            ("name", .quoted(name)),
            ("memory", .plain(memoryCapacity.exactDescription)),
            ("usable_memory", .plain(usableMemory.exactDescription)),
            ("bandwidth", .plain(peakBandwidth.exactDescription)),
            ("bandwidth_efficiency", .plain(bandwidthEfficiency.description)),
            ("compute", .plain(peakComputeRate.exactDescription)),
            ("compute_efficiency", .plain(computeEfficiency.description)),
            ("synchronisation", .plain(synchronisationCost.exactDescription)),
            ("kernel_launch", .plain(kernelLaunchCost.exactDescription)),
        ])
    }
}

extension Topology.PCIe {
    var rendered: RenderedValue {
        .group([
            ("bandwidth", .plain(peakBandwidth.exactDescription)),
            ("efficiency", .plain(efficiency.description)),
            ("latency", .plain(latency.exactDescription)),
        ])
    }
}

extension Topology.Channel {
    var rendered: RenderedValue {
        let host: [(key: String, value: RenderedValue)] =
            hostName.map { [("host", .quoted($0))] } ?? []
        return .inline(
            [("node", .quoted(nodeSet.description))] + host + [
                ("rate", .plain(peakBandwidth.exactDescription)),
                ("latency", .plain(latency.exactDescription)),
                ("dimms", .list(dimmIndices.map { .plain(String($0)) })),
            ])
    }
}

extension Topology.Interconnect {
    /// With every link, stated or derived: as stated ones they win over the distances.
    var rendered: RenderedValue {
        let links: [(key: String, value: RenderedValue)] = [
            ("links", .lines(links.map(\.rendered)))
        ]
        return .group((distances?.rendered ?? []) + links)
    }
}

extension Topology.NodeDistances {
    var rendered: [(key: String, value: RenderedValue)] {
        [
            ("local_bandwidth", .plain(localBandwidth.exactDescription)),
            ("local_latency", .plain(localLatency.exactDescription)),
            ("distances", .lines(rows.map { .list($0.map { .plain(String($0)) }) })),
        ]
    }
}

extension Topology.NodeLink {
    var rendered: RenderedValue {
        .inline([
            ("nodes", .list([.plain(String(lowerNode)), .plain(String(upperNode))])),
            ("bandwidth", .plain(bandwidth.exactDescription)),
            ("latency", .plain(latency.exactDescription)),
        ])
    }
}

extension Topology.DIMM {
    /// All of a DIMM but its index, channel and node set.
    var renderedParts: RenderedValue {
        .group([
            ("memory", .plain(memoryCapacity.exactDescription)),
            ("ranks", .plain(String(rankCount))),
            ("neuron_layout", .plain(neuronLayout.rawValue)), ("binding", binding.rendered),
            ("dram", dram.rendered), ("ndp", ndpCore.rendered),
            ("activation_unit", activationUnit.rendered),
        ])
    }
}

extension Topology.DRAM {
    var rendered: RenderedValue {
        .group([
            ("generation", .plain(generation.rawValue)),
            ("clock", .plain(clock.exactDescription)),
            ("bus", .plain("\(busByteCount) B")),
            ("bank_groups", .plain(String(bankGroupCount))),
            ("banks_per_group", .plain(String(banksPerGroup))),
            ("row", .plain(rowByteCount.exactDescription)),
            ("mapping", .plain(addressMapping.rawValue)),
            ("request_queue", .plain(String(requestQueueDepth))),
            ("refresh", .plain(refreshes ? "on" : "off")),
            ("timing", timing.rendered),
        ])
    }
}

extension Topology.DRAMTiming {
    var rendered: RenderedValue {
        let cycles: [(key: String, value: Int)] = [
            ("tRC", tRC), ("tRCD", tRCD), ("tCL", tCL), ("tCWL", tCWL), ("tRP", tRP),
            ("tRAS", tRAS), ("tBL", tBL), ("tCCD_S", tCCDS), ("tCCD_L", tCCDL),
            ("tRRD_S", tRRDS), ("tRRD_L", tRRDL), ("tFAW", tFAW), ("tRTP", tRTP), ("tWR", tWR),
            ("tWTR_S", tWTRS), ("tWTR_L", tWTRL), ("tRFC", tRFC), ("tREFI", tREFI),
            ("rank_switch", rankSwitch),
        ]
        return .group(cycles.map { ($0.key, .plain(String($0.value))) })
    }
}

extension Topology.NDPCore {
    var rendered: RenderedValue {
        .group([
            ("clock", .plain(clock.exactDescription)),
            ("multipliers", .plain(String(multiplierCount))),
            ("lanes", .plain(String(lanesPerMultiplier))),
            ("cycles", .plain(String(cyclesPerMultiplyGroup))),
            ("buffer", .plain(bufferCapacity.exactDescription)),
            ("overlap", .plain(overlap.rawValue)),
        ])
    }
}

extension Topology.ActivationUnit {
    var rendered: RenderedValue {
        .group([
            ("clock", .plain(clock.exactDescription)),
            ("exp_units", .plain(String(exponentialUnitCount))),
            ("add_units", .plain(String(adderCount))),
            ("mul_units", .plain(String(multiplierCount))),
        ])
    }
}
