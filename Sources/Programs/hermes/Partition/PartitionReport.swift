import OfflinePartition
import Quantities
import Topology

/// Who lives where, counted: what is said of any placement, solved or read.
struct PartitionSummary {
    let partition: Partition
    /// [blocks of a layer]; nil where the file does not tell.
    let blockNames: [String]?

    private func name(_ block: Int) -> String { blockNames?[block] ?? "block \(block)" }

    /// Neurons at home on each DIMM, [DIMMs].
    private var neuronCounts: [Int] {
        var counts = Array(repeating: 0, count: partition.dimmCount)
        for block in partition.blocks {
            for home in block.homes { counts[Int(home)] += 1 }
        }
        return counts
    }

    func text() -> String {
        var blocks = TextTable(["block", "neurons", "hot", "share", "least", "most"])
        for block in 0..<partition.blocksPerLayer {
            let layers = (0..<partition.layerCount).map { partition[layer: $0, block: block] }
            let hotCounts = layers.map(\.hotNeurons.count)
            let total = layers.reduce(0) { $0 + $1.neuronCount }
            let hot = hotCounts.reduce(0, +)
            blocks.add([
                name(block), Text.grouped(total), Text.grouped(hot),
                Text.fixed(100 * Double(hot) / Double(max(total, 1)), 2) + " %",
                "\(hotCounts.min() ?? 0)", "\(hotCounts.max() ?? 0)",
            ])
        }
        var dimms = TextTable(["DIMM", "neurons"])
        for (dimm, count) in neuronCounts.enumerated() {
            dimms.add(["\(dimm)", Text.grouped(count)])
        }
        let heading = [
            "Placement \(partition.layerCount) layers x \(partition.blocksPerLayer) blocks on "
                + "\(partition.dimmCount) DIMMs; hot neurons of all layers, of the layer with "
                + "least, with most:"
        ]
        return (heading + blocks.lines + dimms.lines).joined(separator: "\n") + "\n"
    }

    var members: [String: JSONValue] {
        [
            "layers": .integer(partition.layerCount),
            "blocks_per_layer": .integer(partition.blocksPerLayer),
            "blocks": .array(
                partition.blocks.enumerated().map { step, block in
                    .object([
                        "layer": .integer(step / partition.blocksPerLayer),
                        "block": .integer(step % partition.blocksPerLayer),
                        "neurons": .integer(block.neuronCount),
                        "hot": .integer(block.hotNeurons.count),
                    ])
                }),
            "dimms": .array(
                neuronCounts.enumerated().map {
                    .object(["index": .integer($0.offset), "neurons": .integer($0.element)])
                }),
        ]
    }
}

/// What `partition` found.
struct PartitionReport {
    let workload: PartitionWorkload
    let topology: Topology
    let problem: PartitionProblem
    let method: PartitionCommand.Method
    let solved: PartitionSolving.Result

    private var summary: PartitionSummary {
        PartitionSummary(
            partition: solved.partition, blockNames: workload.blocks.map(\.name))
    }

    private var boundSecondsPerToken: Double {
        Double(solved.lowerBound) / Double(problem.sampleCount) / 1e12
    }

    private var hotByteCount: UInt64 {
        zip(problem.steps, solved.partition.blocks).reduce(0) {
            $0 + $1.0.neuronByteCount.bytes * UInt64($1.1.hotNeurons.count)
        }
    }

    func text() -> String {
        let verdict =
            solved.isProvenOptimal
            ? "proven to be the best there is"
            : solved.gap.map { "at most \(Text.fixed(100 * $0, 4)) % above the best there is" }
                ?? "nothing proven"
        let gpu = Text.megabytes(Int(clamping: hotByteCount))
        let room = Text.megabytes(Int(clamping: problem.gpuMemory.bytes))
        return """
            Model     \(workload.title)
            Activity  \(workload.source), \(problem.sampleCount) samples
            Machine   \(topology.name), \(problem.dimms.count) DIMMs
            Method    \(method.rawValue), \(Text.fixed(solved.seconds, 2)) s
            Objective \(Text.fixed(1e6 * solved.cost.secondsPerToken, 3)) us a token, \(verdict)
            Bound     \(Text.fixed(1e6 * boundSecondsPerToken, 3)) us a token
            GPU       \(gpu) of \(room) taken by hot neurons

            """ + summary.text()
    }

    func json() -> JSONValue {
        var members = summary.members
        members["model"] = workload.identity
        members["activity"] = .string(workload.source)
        members["samples"] = .integer(Int(problem.sampleCount))
        members["provenance"] = Provenance.record(topology: topology, topologyPath: "")
        members["method"] = .string(method.rawValue)
        members["outcome"] = .string(solved.isProvenOptimal ? "optimal" : "best")
        members["objective"] = [
            "seconds_per_token": JSONValue(solved.cost.secondsPerToken)
        ]
        members["bound"] = ["seconds_per_token": JSONValue(boundSecondsPerToken)]
        members["gap"] = solved.gap.map { JSONValue($0) } ?? .null
        members["gpu"] = [
            "hot_bytes": .unsigned(hotByteCount),
            "memory_bytes": .unsigned(problem.gpuMemory.bytes),
        ]
        members["host"] = ["seconds": JSONValue(solved.seconds)]
        return .object(members)
    }
}
