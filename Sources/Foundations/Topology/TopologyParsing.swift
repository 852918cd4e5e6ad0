import CheckedYAML
import Quantities

extension Topology {
    /// Reads and validates a topology.
    ///
    /// Keys that the text leaves out take the paper's parts, ``BuiltInParts``; `format`, `name`
    /// and `channels` must be there. A channel must state `rate` and `dimms`; its `node` is `all`
    /// and its `latency` zero unless stated. The caller reads the file.
    ///
    /// - Parameters:
    ///   - text: YAML, at most 1 MB.
    ///   - fileName: how errors call the text.
    ///   - overrides: applied in order, on top of text and built-in parts, before validation.
    /// - Throws: every problem that was found, by line.
    package static func parse(
        _ text: String, fileName: String, overrides: [TopologyOverride] = []
    ) throws(TopologyError) -> Topology {
        let tree = try TopologyText.tree(of: text) { line in
            line.map { .line($0, file: fileName) } ?? .file(fileName)
        }
        guard let tree else {
            throw TopologyError(
                problems: [
                    .init(place: .file(fileName), path: "", rule: "is empty: it states no topology")
                ])
        }
        let problems = ProblemList()
        try checkFormat(of: tree)
        var root = tree.merged(over: try BuiltInParts.tree(fileName: fileName))
        for override in overrides { apply(override, to: &root, problems: problems) }
        let topology = TopologyReader(problems: problems, fileName: fileName).topology(from: root)
        guard let topology, problems.isEmpty else {
            throw TopologyError(problems: problems.sorted)
        }
        return topology
    }

    /// A newer format would only produce misleading errors about its new keys.
    private static func checkFormat(of tree: TreeValue) throws(TopologyError) {
        guard let value = tree["format"], case .text(let text) = value.content,
            let version = Int(text), version > formatVersion
        else { return }
        throw TopologyError(
            problems: [
                .init(
                    place: value.place, path: value.path,
                    rule: "format \(version) is newer than what this program reads, "
                        + "format \(formatVersion)")
            ])
    }

    private static func apply(
        _ override: TopologyOverride, to root: inout TreeValue, problems: ProblemList
    ) {
        let place = TopologyError.Place.override(override.description)
        let keys = override.path.split(separator: ".", omittingEmptySubsequences: false)
        guard !keys.contains(where: \.isEmpty) else {
            problems.add(place, "", "'\(override.path)' is not a path such as channels.0.rate")
            return
        }
        do throws(TopologyError) {
            let value = try parsedValue(of: override, place: place)
            if let rule = root.set(keys[...], to: value) { problems.add(place, "", rule) }
        } catch {
            for problem in error.problems { problems.add(problem.place, "", problem.rule) }
        }
    }

    /// Lists and groups are YAML; everything else is taken as it stands, `!1` included.
    private static func parsedValue(
        of override: TopologyOverride, place: TopologyError.Place
    ) throws(TopologyError) -> TreeValue {
        let text = override.value.drop { $0 == " " }
        if text.hasPrefix("[") || text.hasPrefix("{") {
            let tree = try TopologyText.tree(of: override.value, at: override.path) { _ in place }
            if let tree { return tree }
        }
        let content: TreeValue.Content = text.isEmpty ? .empty : .text(override.value)
        return TreeValue(content: content, path: override.path, place: place)
    }
}

/// Builds a topology from a complete tree, reporting every broken rule on the way.
struct TopologyReader {
    let problems: ProblemList
    let fileName: String

    func topology(from root: TreeValue) -> Topology? {
        var section = Section(root, problems: problems)
        guard case .keys = root.content else { return nil }
        _ = section.integer("format", in: Topology.formatVersion...Topology.formatVersion)
        let name = section.text("name", maximumLength: TopologyLimits.nameLength)
        if let name, name.text.isEmpty || name.text.contains(where: \.isNewline) {
            problems.add(name.at, "must be one line and not empty")
        }
        let summary = section.optional("description").flatMap {
            problems.text(of: $0, maximumLength: TopologyLimits.summaryLength)
        }
        let gpu = makeGPU(from: section.section("gpu"))
        let pcie = makePCIe(from: section.section("pcie"))
        let coordinator = makeCoordinatorBinding(from: section.section("coordinator"))
        let channels = makeChannels(from: section.required("channels"))
        var parts = DIMMParts(
            shared: section.required("dimm"), overrides: section.optional("dimm_overrides"),
            problems: problems)
        let dimms = parts.makeDIMMs(in: channels)
        let links = makeDIMMLinks(from: section.required("dimm_links"), dimmCount: dimms.count)
        let interconnect = section.optional("interconnect").map { makeInterconnect(from: $0) }
        let policy = makePolicy(from: section.section("policy"))
        let faults = section.optional("faults").map { makeFaults(from: $0) } ?? []
        section.finish()
        guard let name else { return nil }
        return Topology(
            name: name.text, summary: summary?.trimmingNewlines() ?? "", gpu: gpu, pcie: pcie,
            coordinator: coordinator, channels: channels.map(\.channel), dimms: dimms,
            dimmLinks: links, interconnect: interconnect, policy: policy,
            faults: faults, source: sourceMap(channels: channels, parts: parts))
    }

    private func makeGPU(from section: Section) -> Topology.GPU {
        var section = section
        let gpu = Topology.GPU(
            name: section.text("name", maximumLength: TopologyLimits.nameLength)?.text ?? "",
            memoryCapacity: section.quantity("memory", in: TopologyLimits.memory),
            usableMemory: section.quantity("usable_memory", in: TopologyLimits.usableMemory),
            peakBandwidth: section.quantity("bandwidth", in: TopologyLimits.bandwidth),
            bandwidthEfficiency: section.quantity(
                "bandwidth_efficiency", in: TopologyLimits.efficiency),
            peakComputeRate: section.quantity("compute", in: TopologyLimits.computeRate),
            computeEfficiency: section.quantity(
                "compute_efficiency", in: TopologyLimits.efficiency),
            synchronisationCost: section.quantity("synchronisation", in: TopologyLimits.duration),
            kernelLaunchCost: section.quantity("kernel_launch", in: TopologyLimits.duration))
        if section.isSound, gpu.usableMemory > gpu.memoryCapacity {
            section.report(
                ["usable_memory", "memory"],
                "usable_memory \(gpu.usableMemory.exactDescription) is above memory "
                    + gpu.memoryCapacity.exactDescription)
        }
        section.finish()
        return gpu
    }

    private func makePCIe(from section: Section) -> Topology.PCIe {
        var section = section
        let pcie = Topology.PCIe(
            peakBandwidth: section.quantity("bandwidth", in: TopologyLimits.bandwidth),
            efficiency: section.quantity("efficiency", in: TopologyLimits.efficiency),
            latency: section.quantity("latency", in: TopologyLimits.duration))
        section.finish()
        return pcie
    }

    private func makePolicy(from section: Section) -> Topology.Policy {
        var section = section
        let policy = Topology.Policy(
            hotShare: section.quantity("hot_share", in: TopologyLimits.share))
        section.finish()
        return policy
    }

    /// What the texts mean is not known here: the language belongs to those who make faults happen.
    private func makeFaults(from value: TreeValue) -> [String] {
        guard let elements = problems.list(value, of: "faults") else { return [] }
        guard elements.count <= TopologyLimits.faultCount else {
            problems.add(
                value,
                "has \(elements.count) faults; at most \(TopologyLimits.faultCount) are read")
            return []
        }
        return elements.compactMap { problems.text(of: $0) }
    }

    private func sourceMap(channels: [ChannelSource], parts: DIMMParts) -> SourceMap {
        var places = parts.nodePlaces
        for source in channels {
            if let node = source.node { places["channels.\(source.channel.index).node"] = node }
        }
        return SourceMap(fileName: fileName, places: places)
    }
}

/// YAML as topologies write it.
enum TopologyText {
    /// The text as a tree rooted at `path`; `nil` for a text without any value.
    static func tree(
        of text: String, at path: String = "", place: @escaping @Sendable (Int?) -> YAMLPlace
    ) throws(TopologyError) -> TreeValue? {
        let yaml = YAMLText(
            text: text,
            aliasAdvice: "repeat the value, or state it once in 'dimm', which all DIMMs share",
            place: place)
        do throws(YAMLError) {
            return try yaml.tree(at: path)
        } catch {
            throw TopologyError(error)
        }
    }
}

extension String {
    /// YAML's folded texts end in a line break that nobody means.
    func trimmingNewlines() -> String {
        var text = self
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}
