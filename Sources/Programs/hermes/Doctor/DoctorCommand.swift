import ArgumentParser
import Foundation
import HostFacts
import ModelFile
import NUMABinding
import Supervision
import Topology
import Transformer

/// `hermes doctor`: what this machine offers and lacks, each with its fix.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Says what this machine offers a run and what it lacks, and how to mend that.",
        discussion: """
            One line per finding: ok, degraded or missing; what was found; why it matters; how to \
            mend it. With --topology it also says whether that topology can run here, with the \
            default model if it is cached: exit 69 if it cannot.

            Examples:
              hermes doctor
              hermes doctor --topology 4-dimm --json doctor.json
              hermes doctor --clean
            """)

    /// Tokens of context that memory is reckoned for; fewer where the model has fewer.
    private static let contextTokenCount = 1024

    @Option(help: "The topology that is to run: a file, or the name of a shipped one.")
    var topology: String?

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "GGUF model file to reckon memory for (default: the default model, if cached).")
    var model: String?

    @Flag(
        help: "End workers that a crash left running, and remove files that it left unfinished.")
    var clean = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard topology != nil || (assignments.isEmpty && model == nil) else {
            throw ValidationError("--set and --model say how a --topology is to run")
        }
    }

    func run() throws {
        try output.prepare()
        var facts = HostFacts.current()
        facts.tryCalls()
        let leftovers = try leftovers()
        facts.abandonedWorkers = leftovers.workers.map(\.processIdentifier)
        facts.abandonedFiles = leftovers.files
        let demand = try topology.map {
            try self.demand(of: try TopologyFile.load($0, assignments: assignments).0)
        }
        let findings = HostAssessment(facts, demand: demand).findings
        if !output.writesJSONToStandardOutput {
            try Terminal.emit(findings.map { $0.line + "\n" }.joined())
        }
        try output.deliver(document(findings, facts: facts, demand: demand))
        let blocking = findings.filter(\.blocksRun)
        guard blocking.isEmpty else {
            throw Failure(
                .machineLacks,
                "the topology cannot run here: "
                    + blocking.map { "\($0.subject): \($0.observation)" }.joined(separator: "; "))
        }
    }

    /// What is still there after ``clean``. Looked for where files are made: the cache, and here.
    private func leftovers() throws -> Leftovers {
        let folders = [
            Locations.cacheFolder(), FileManager.default.currentDirectoryPath,
        ]
        let found = Leftovers.found(in: folders)
        guard clean else { return found }
        let refusals = found.remove()
        for refusal in refusals { Terminal.complain("hermes: \(refusal)") }
        Terminal.complain(
            "hermes: removed \(found.workers.count) workers and \(found.files.count) files"
                + (refusals.isEmpty ? "" : ", but for \(refusals.count)"))
        return Leftovers.found(in: folders)
    }

    private func demand(of topology: Topology) throws -> HostDemand {
        // On other hosts, with nodes like these and memory of their own.
        let farDIMMs = Launcher.ssh.farDIMMs(of: topology)
        let plan = try openModel().map {
            ResourcePlan(
                model: $0, topology: topology,
                contextCapacity: min(Self.contextTokenCount, $0.shape.contextLength),
                isSparse: false, isReference: false,
                farDIMMs: farDIMMs, transport: farDIMMs.isEmpty ? .sharedMemory : .tcp)
        }
        var problem: String?
        var assignment: NodeAssignment?
        do {
            assignment = try WorkerFleet.nodeAssignment(of: topology)
            _ = try CoordinatorBinding.cpuCount(of: topology)
        } catch let failure as Failure {
            problem = failure.description
        }
        let workers = (assignment?.dimms ?? []).enumerated().map { dimm, nodes in
            let isNear = !farDIMMs.contains(dimm)
            return HostDemand.Worker(
                nodes: nodes.processors, memoryNodes: nodes.memory,
                byteCount: isNear ? plan?.dimmByteCounts[dimm] : nil,
                takesPooledPages: isNear
                    && topology.dimms[dimm].binding.hugePages == .hugetlbfs)
        }
        return HostDemand(
            topologyName: topology.name, dimmCount: topology.dimms.count,
            farDIMMCount: farDIMMs.count, workers: workers, nodeProblem: problem,
            nodeRemark: assignment.flatMap { $0.isModelled ? $0.remarks.first : nil },
            ringByteCount: plan?.ringByteCount, byteCount: plan?.neededByteCount)
    }

    /// `nil` where none is named and the default model is not cached: memory is not judged then.
    private func openModel() throws -> DecoderModel? {
        let path = model ?? Locations.defaultModel()
        if model == nil, !FileManager.default.fileExists(atPath: path) { return nil }
        return try LoadedModel.open(path, isDefault: model == nil)
    }

    // MARK: JSON

    /// All of it depends on the host, so all of it stands under `host`.
    private func document(
        _ findings: [Finding], facts: HostFacts, demand: HostDemand?
    ) -> JSONValue {
        .object([
            "provenance": Provenance.program,
            "topology": demand.map { .string($0.topologyName) } ?? .null,
            "host": .object([
                "can_run": demand == nil ? .null : .bool(!findings.contains(where: \.blocksRun)),
                "findings": .array(findings.map(Self.json)),
                "usable_cores": .integer(facts.processors.usableCoreCount),
                "nodes": .array(nodes(of: facts)),
            ]),
        ])
    }

    private static func json(_ finding: Finding) -> JSONValue {
        .object([
            "subject": .string(finding.subject), "status": .string(finding.status.rawValue),
            "found": .string(finding.observation), "why": .string(finding.reason),
            "mend": finding.remedy.map { .string($0) } ?? .null,
            "blocks_run": .bool(finding.blocksRun),
        ])
    }

    private func nodes(of facts: HostFacts) -> [JSONValue] {
        zip(facts.machine.nodes, facts.machine.distances).map { node, row in
            .object([
                "node": .integer(node.number),
                "cpus": .array(node.cpus.map { .integer($0) }),
                "memory_bytes": .integer(node.memoryByteCount),
                "free_bytes": facts.reclaimableByteCounts[node.number].map { .integer($0) }
                    ?? .null,
                "allowed": .bool(facts.machine.allowedNodes.contains(node.number)),
                "distances": .array(row.map { .integer($0) }),
            ])
        }
    }
}
