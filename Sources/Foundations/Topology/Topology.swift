package import Quantities

/// A validated machine: GPU, PCIe, DDR channels, NDP-DIMMs, DIMM-links and the sockets between.
///
/// The value of one topology file with every default filled in. It is immutable and consistent:
/// whoever holds one need not check indices, units or ranges again. Parsing touches no file, no
/// clock and no machine; see ``parse(_:fileName:overrides:)`` and ``checkNodes(against:)``.
package struct Topology: Equatable, Sendable {
    /// The only file format that is read so far.
    package static let formatVersion = 1

    package let name: String
    /// Free text; empty when the file gives none.
    package let summary: String
    package let gpu: GPU
    package let pcie: PCIe
    package let coordinator: CoordinatorBinding
    /// In file order; each DIMM stands in exactly one channel.
    package let channels: [Channel]
    /// Ascending by index, which runs from 0 without gaps; at least one.
    package let dimms: [DIMM]
    /// `nil` when the DIMMs have no links of their own.
    package let dimmLinks: DIMMLinks?
    /// `nil` when what crosses from node to node is not modelled.
    package let interconnect: Interconnect?
    package let policy: Policy
    /// What is made to fail in every run on this machine, in file order: texts of the fault
    /// language, which the program reads. Empty when the file states none.
    package let faults: [String]

    /// Where each node set was written, for errors that only a machine can raise.
    let source: SourceMap

    /// Equal machines are equal, wherever in which file they were written.
    package static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.name == rhs.name && lhs.summary == rhs.summary && lhs.gpu == rhs.gpu
            && lhs.pcie == rhs.pcie && lhs.coordinator == rhs.coordinator
            && lhs.channels == rhs.channels && lhs.dimms == rhs.dimms
            && lhs.dimmLinks == rhs.dimmLinks && lhs.interconnect == rhs.interconnect
            && lhs.policy == rhs.policy && lhs.faults == rhs.faults
    }
}

extension Topology {
    /// The GPU that holds the hot neurons. Roofline of memory and arithmetic, plus fixed costs.
    package struct GPU: Equatable, Sendable {
        package let name: String
        package let memoryCapacity: ByteCount
        /// What weights and buffers may fill; the rest is the driver's, at most `memoryCapacity`.
        package let usableMemory: ByteCount
        package let peakBandwidth: Bandwidth
        package let bandwidthEfficiency: Proportion
        /// FP16, dense.
        package let peakComputeRate: ComputeRate
        /// Model FLOPS utilisation of large matrix products.
        package let computeEfficiency: Proportion
        /// One synchronisation between GPU and DIMMs: the paper's T_sync.
        package let synchronisationCost: EmulatedDuration
        package let kernelLaunchCost: EmulatedDuration

        package var effectiveBandwidth: Bandwidth { peakBandwidth.scaled(by: bandwidthEfficiency) }
        package var effectiveComputeRate: ComputeRate {
            peakComputeRate.scaled(by: computeEfficiency)
        }
    }

    /// The link between GPU and host, shared by all DIMMs.
    package struct PCIe: Equatable, Sendable {
        package let peakBandwidth: Bandwidth
        package let efficiency: Proportion
        package let latency: EmulatedDuration

        package var effectiveBandwidth: Bandwidth { peakBandwidth.scaled(by: efficiency) }
    }

    /// One DDR channel: the bus that its DIMMs share for all that the host reads or writes.
    package struct Channel: Equatable, Sendable {
        /// Position in `Topology.channels`.
        package let index: Int
        /// Nodes of its DIMMs, unless one has its own.
        package let nodeSet: NodeSet
        package let peakBandwidth: Bandwidth
        package let latency: EmulatedDuration
        /// The host of its DIMMs, unless one has its own; `nil` is where the coordinator runs.
        package let hostName: String?
        /// Ascending; at least one.
        package let dimmIndices: [Int]
    }

    /// One NDP-DIMM, its defaults and its own overrides already merged.
    package struct DIMM: Equatable, Sendable {
        /// Position in `Topology.dimms`.
        package let index: Int
        package let channelIndex: Int
        /// Where the worker of this DIMM is bound: its threads and its memory.
        package let nodeSet: NodeSet
        /// The host that its worker runs on; `nil` is where the coordinator runs.
        package let hostName: String?
        package let binding: HostBinding
        package let memoryCapacity: ByteCount
        package let rankCount: Int
        package let neuronLayout: NeuronLayout
        package let dram: DRAM
        package let ndpCore: NDPCore
        package let activationUnit: ActivationUnit

        /// All ranks read at once, as the NDP core in the centre buffer does; before efficiency.
        package var peakInternalBandwidth: Bandwidth {
            dram.peakRankBandwidth * UInt64(rankCount)
        }

        /// Rows of one bank.
        package var rowsPerBank: UInt64 {
            let banks = UInt64(rankCount * dram.banksPerRank)
            return memoryCapacity.bytes / (banks * dram.rowByteCount.bytes)
        }
    }

    /// Where the bytes of a neuron lie in its DIMM.
    package enum NeuronLayout: String, CaseIterable, Sendable {
        /// One rank holds the whole neuron; neurons take ranks in turn.
        case wholeRank = "whole-rank"
        /// Consecutive 64-byte lines go to consecutive ranks.
        case striped
    }

    /// Point-to-point links between DIMMs, used to move neurons.
    package struct DIMMLinks: Equatable, Sendable {
        /// Of each link, in each direction.
        package let bandwidth: Bandwidth
        package let latency: EmulatedDuration
        /// Ascending and without repetition. May be empty: one DIMM has no pairs.
        package let pairs: [DIMMPair]

        package func connects(_ first: Int, _ second: Int) -> Bool {
            pairs.contains(DIMMPair(first, second))
        }
    }

    /// Two different DIMMs, the lower index first.
    package struct DIMMPair: Hashable, Comparable, Sendable {
        package let lower: Int
        package let upper: Int

        package init(_ first: Int, _ second: Int) {
            lower = min(first, second)
            upper = max(first, second)
        }

        package static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.lower, lhs.upper) < (rhs.lower, rhs.upper)
        }
    }

    /// Links between NUMA nodes, one per pair.
    package struct Interconnect: Equatable, Sendable {
        /// Ascending by node pair, each pair once.
        package let links: [NodeLink]
        /// What links were derived from, where none was stated; `nil` when all were stated.
        package let distances: NodeDistances?

        /// The link between two nodes, in either order; `nil` when it is not modelled.
        package func link(between first: Int, and second: Int) -> NodeLink? {
            let lower = min(first, second)
            let upper = max(first, second)
            return links.first { $0.lowerNode == lower && $0.upperNode == upper }
        }
    }

    /// How far apart nodes are, as firmware tells it.
    package struct NodeDistances: Equatable, Sendable {
        /// ACPI SLIT, square and symmetric: 10 is a node's own memory, 20 is twice as far.
        package let rows: [[Int]]
        package let localBandwidth: Bandwidth
        package let localLatency: EmulatedDuration
    }

    /// What crosses between two NUMA nodes is held to this.
    package struct NodeLink: Equatable, Sendable {
        package let lowerNode: Int
        package let upperNode: Int
        package let bandwidth: Bandwidth
        /// What crossing adds to the latency of the node's own memory.
        package let latency: EmulatedDuration
    }

    /// Decisions that belong to the machine's description rather than to one run.
    package struct Policy: Equatable, Sendable {
        /// At most this share of a layer's neurons is hot, however much memory the GPU has.
        package let hotShare: Proportion
    }
}
