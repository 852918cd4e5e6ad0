import CheckedYAML
import Quantities

/// Builds the DIMMs: the shared part once, and anew for each DIMM that has overrides.
struct DIMMParts {
    let shared: TreeValue?
    let overrides: TreeValue?
    let problems: ProblemList
    /// Where the node sets of single DIMMs were written.
    private(set) var nodePlaces: [String: TopologyError.Place] = [:]

    init(shared: TreeValue?, overrides: TreeValue?, problems: ProblemList) {
        self.shared = shared
        self.overrides = overrides
        self.problems = problems
    }

    /// The DIMMs of all channels, ascending. Meaningless, but harmless, if problems were reported.
    mutating func makeDIMMs(in channels: [ChannelSource]) -> [Topology.DIMM] {
        guard let shared else { return [] }
        let template = makeParts(from: shared, isOverridden: false)
        var channelOfDIMM: [Int: Topology.Channel] = [:]
        for source in channels {
            for index in source.channel.dimmIndices { channelOfDIMM[index] = source.channel }
        }
        let changed = overriddenDIMMs(of: channelOfDIMM.keys.max() ?? -1)
        return channelOfDIMM.keys.sorted().map { index in
            let own = changed[index].map {
                makeParts(from: $0.merged(over: shared), isOverridden: true)
            }
            if let place = changed[index]?["node"]?.place {
                nodePlaces["dimm_overrides.\(index).node"] = place
            }
            let parts = own ?? template
            let channel = channelOfDIMM[index]
            return Topology.DIMM(
                index: index, channelIndex: channel?.index ?? 0,
                nodeSet: parts.nodeSet ?? channel?.nodeSet ?? .all,
                hostName: parts.hostName ?? channel?.hostName, binding: parts.binding,
                memoryCapacity: parts.memoryCapacity, rankCount: parts.rankCount,
                neuronLayout: parts.neuronLayout, dram: parts.dram, ndpCore: parts.ndpCore,
                activationUnit: parts.activationUnit)
        }
    }

    private func overriddenDIMMs(of highest: Int) -> [Int: TreeValue] {
        guard let overrides else { return [:] }
        guard case .keys(let entries) = overrides.content else {
            problems.add(
                overrides, "must have DIMM indices as keys, not \(overrides.kind)")
            return [:]
        }
        var result: [Int: TreeValue] = [:]
        for entry in entries {
            guard let index = Int(entry.key), (0...max(0, highest)).contains(index) else {
                problems.add(
                    entry.value,
                    "there is no DIMM '\(Wording.clipped(entry.key))'; DIMMs are 0 to \(highest)")
                continue
            }
            guard result[index] == nil else {
                problems.add(entry.value, "DIMM \(index) has two overrides")
                continue
            }
            guard case .keys = entry.value.content else {
                problems.add(entry.value, "must be a group of keys, not \(entry.value.kind)")
                continue
            }
            result[index] = entry.value
        }
        return result
    }

    private struct Parts {
        let nodeSet: NodeSet?
        /// Outer `nil`: the channel's.
        let hostName: String??
        let binding: Topology.HostBinding
        let memoryCapacity: ByteCount
        let rankCount: Int
        let neuronLayout: Topology.NeuronLayout
        let dram: Topology.DRAM
        let ndpCore: Topology.NDPCore
        let activationUnit: Topology.ActivationUnit
    }

    private func makeParts(from value: TreeValue, isOverridden: Bool) -> Parts {
        var section = Section(value, problems: problems)
        let parts = Parts(
            nodeSet: isOverridden ? section.nodeSet("node") : nil,
            hostName: isOverridden ? section.hostName("host") : nil,
            binding: makeBinding(from: section.section("binding")),
            memoryCapacity: section.quantity("memory", in: TopologyLimits.memory),
            rankCount: section.integer("ranks", in: TopologyLimits.ranks, powerOfTwo: true),
            neuronLayout: section.choice(
                "neuron_layout", what: "neuron layout", or: .wholeRank),
            dram: makeDRAM(from: section.section("dram")),
            ndpCore: makeNDPCore(from: section.section("ndp")),
            activationUnit: makeActivationUnit(from: section.section("activation_unit")))
        if section.isSound {
            let banks = UInt64(parts.rankCount * parts.dram.banksPerRank)
            let rows = parts.dram.rowByteCount * banks
            if !parts.memoryCapacity.bytes.isMultiple(of: rows.bytes) {
                section.report(
                    [
                        "memory", "ranks", "dram.bank_groups", "dram.banks_per_group", "dram.row",
                    ],
                    "memory \(parts.memoryCapacity.exactDescription) is not a whole number of "
                        + "rows: \(banks) banks of \(parts.dram.rowByteCount.exactDescription) rows"
                )
            }
        }
        section.finish()
        return parts
    }

    private func makeDRAM(from section: Section) -> Topology.DRAM {
        var section = section
        let bus = section.quantity("bus", in: TopologyLimits.bus)
        let row = section.quantity("row", in: TopologyLimits.row)
        let dram = Topology.DRAM(
            generation: section.choice("generation", what: "DRAM generation", or: .ddr4),
            clock: section.quantity("clock", in: TopologyLimits.frequency),
            busByteCount: Int(bus.bytes),
            bankGroupCount: section.integer(
                "bank_groups", in: TopologyLimits.bankGroups, powerOfTwo: true),
            banksPerGroup: section.integer(
                "banks_per_group", in: TopologyLimits.banksPerGroup, powerOfTwo: true),
            rowByteCount: row,
            addressMapping: section.choice("mapping", what: "address mapping", or: .roRaBaCoBg),
            requestQueueDepth: section.integer("request_queue", in: TopologyLimits.requestQueue),
            refreshes: section.flag("refresh"), timing: makeTiming(from: section.section("timing")))
        if section.isSound { checkBurst(of: dram, in: section) }
        section.finish()
        return dram
    }

    private func checkBurst(of dram: Topology.DRAM, in section: Section) {
        if dram.rowByteCount.bytes.nonzeroBitCount != 1 {
            section.report(["row"], "'\(dram.rowByteCount)' is not a power of two")
        }
        let burst = dram.timing.tBL * 2 * dram.busByteCount
        if burst != Topology.lineByteCount {
            section.report(
                ["bus", "timing.tBL"],
                "a burst is 2 x tBL \(dram.timing.tBL) x \(dram.busByteCount) B bus = \(burst) B; "
                    + "it must be one line of \(Topology.lineByteCount) B")
        }
        if dram.refreshes, dram.timing.tREFI <= dram.timing.tRFC {
            section.report(
                ["timing.tREFI", "timing.tRFC", "refresh"],
                "tREFI \(dram.timing.tREFI) must be above tRFC \(dram.timing.tRFC): "
                    + "nothing but refresh would happen")
        }
    }

    private func makeTiming(from section: Section) -> Topology.DRAMTiming {
        var section = section
        func cycles(_ key: String) -> Int { section.integer(key, in: TopologyLimits.cycles) }
        let timing = Topology.DRAMTiming(
            tRC: cycles("tRC"), tRCD: cycles("tRCD"), tCL: cycles("tCL"), tCWL: cycles("tCWL"),
            tRP: cycles("tRP"), tRAS: cycles("tRAS"), tBL: cycles("tBL"),
            tCCDS: cycles("tCCD_S"), tCCDL: cycles("tCCD_L"), tRRDS: cycles("tRRD_S"),
            tRRDL: cycles("tRRD_L"), tFAW: cycles("tFAW"), tRTP: cycles("tRTP"),
            tWR: cycles("tWR"), tWTRS: cycles("tWTR_S"), tWTRL: cycles("tWTR_L"),
            tRFC: cycles("tRFC"), tREFI: cycles("tREFI"),
            rankSwitch: section.integer(
                "rank_switch", in: 0...TopologyLimits.cycles.upperBound))
        if section.isSound {
            let ordered = [
                ("tCCD_S", timing.tCCDS, "tCCD_L", timing.tCCDL),
                ("tRRD_S", timing.tRRDS, "tRRD_L", timing.tRRDL),
                ("tWTR_S", timing.tWTRS, "tWTR_L", timing.tWTRL),
                ("tRRD_S", timing.tRRDS, "tFAW", timing.tFAW),
                ("tRAS", timing.tRAS, "tRC", timing.tRC),
            ]
            for (shorter, low, longer, high) in ordered where low > high {
                section.report([shorter, longer], "\(shorter) \(low) is above \(longer) \(high)")
            }
        }
        section.finish()
        return timing
    }

    private func makeNDPCore(from section: Section) -> Topology.NDPCore {
        var section = section
        let core = Topology.NDPCore(
            clock: section.quantity("clock", in: TopologyLimits.frequency),
            multiplierCount: section.integer("multipliers", in: TopologyLimits.units),
            lanesPerMultiplier: section.integer("lanes", in: TopologyLimits.lanes),
            cyclesPerMultiplyGroup: section.integer("cycles", in: TopologyLimits.cycles),
            bufferCapacity: section.quantity("buffer", in: TopologyLimits.buffer),
            overlap: section.choice("overlap", what: "overlap", or: .maximum))
        section.finish()
        return core
    }

    private func makeActivationUnit(from section: Section) -> Topology.ActivationUnit {
        var section = section
        let unit = Topology.ActivationUnit(
            clock: section.quantity("clock", in: TopologyLimits.frequency),
            exponentialUnitCount: section.integer("exp_units", in: TopologyLimits.units),
            adderCount: section.integer("add_units", in: TopologyLimits.units),
            multiplierCount: section.integer("mul_units", in: TopologyLimits.units))
        section.finish()
        return unit
    }
}
