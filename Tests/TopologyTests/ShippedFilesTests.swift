import Foundation
import Quantities
import Testing
import Topology

@Suite struct ShippedFilesTests {
    static let names = [
        "1-dimm", "2-dimm", "4-dimm", "16-dimm", "rtx4090-8dimm", "rtx3090-8dimm", "t4-8dimm",
        "32-dimm", "64-dimm", "ddr5-5600-8dimm", "lpddr5x-8dimm", "pcie4-8dimm", "pcie5-8dimm",
        "two-socket-8dimm",
    ]

    static func load(_ name: String, set: [(String, String)] = []) throws -> Topology {
        try Fixture.parse(try text(name), set: set)
    }

    private static func text(_ name: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: root.appending(path: "topology/\(name).yaml"), encoding: .utf8)
    }

    @Test(arguments: names)
    func `A shipped file reads, and its rendering reads back as the same machine`(
        name: String
    ) throws {
        let topology = try Self.load(name)
        #expect(topology.name == name)
        let again = try Fixture.parse(topology.rendered())
        #expect(again == topology)
        #expect(again.rendered() == topology.rendered())
        #expect(throws: Never.self) { try topology.nodeAssignment(existing: [0]) }
    }

    @Test(arguments: names)
    func `Every number of a shipped file stands with a comment`(name: String) throws {
        var section = ""
        for (index, line) in try Self.text(name).split(separator: "\n").enumerated() {
            if let first = line.first, first.isLetter {
                section = String(line.prefix { $0 != ":" })
            }
            // Channels repeat one line; the comment above them gives the sources of all.
            let isExempt = ["format", "name", "description", "channels"].contains(section)
            let value = line.prefix { $0 != "#" }.drop { $0 != ":" }
            if !isExempt, value.contains(where: \.isNumber), !line.contains("#"),
                !value.contains("NVIDIA")
            {
                Issue.record("\(name):\(index + 1) has no source: \(line)")
            }
        }
    }

    @Test(arguments: zip(names, [1, 2, 4, 16, 8, 8, 8, 32, 64, 8, 8, 8, 8]))
    func `A shipped file has the DIMMs its name says`(name: String, count: Int) throws {
        let topology = try Self.load(name)
        #expect(topology.dimms.map(\.index) == Array(0..<count))
        #expect(topology.channels.count == (count + 1) / 2)
        #expect(topology.dimmLinks?.pairs.count == count * (count - 1) / 2)
        #expect(topology.dimms.allSatisfy { $0.nodeSet == NodeSet(node: 0) })
    }

    @Test func `The machine with four nodes has the paper's DIMMs, two on each`() throws {
        let topology = try Self.load("8-dimm-4-node")
        let paper = try Self.load("rtx4090-8dimm")
        #expect(topology.name == "8-dimm-4-node")
        #expect(topology.dimms.map(\.nodeSet) == [0, 0, 1, 1, 2, 2, 3, 3].map(NodeSet.init(node:)))
        #expect(topology.dimms.map(\.dram) == paper.dimms.map(\.dram))
        #expect(topology.gpu == paper.gpu)
        #expect(topology.neededNodeCount == 4)
        #expect(topology.interconnect?.links.count == 6)
        #expect(try Fixture.parse(topology.rendered()) == topology)
    }

    /// By hand, from the paper's table and JESD79-4.
    @Test func `The paper's machine, derived by hand`() throws {
        let topology = try Self.load("rtx4090-8dimm")
        let dimm = topology.dimms[3]
        #expect(dimm.channelIndex == 1)
        // 3200 MT/s x 8 B; four ranks at once.
        #expect(dimm.dram.peakRankBandwidth.bytesPerSecond == 25_600_000_000)
        #expect(dimm.peakInternalBandwidth.bytesPerSecond == 102_400_000_000)
        // 256 x 8 MACs every 27 cycles of 1 ns, rounded down.
        #expect(dimm.ndpCore.macsPerSecond == 75_851_851_851)
        // 16 Gb x16 chips have 2^17 rows.
        #expect(dimm.rowsPerBank == 131_072)
        #expect(dimm.memoryCapacity.bytes == 34_359_738_368)
        // 76 cycles of 0.625 ns.
        let cycles = UInt64(dimm.dram.timing.tRC)
        #expect(dimm.dram.clock.duration(ofCycles: cycles).picoseconds == 47_500)
        #expect(dimm.dram.addressMapping == .roBaRaCoCh)
        #expect(dimm.dram.refreshes)
        #expect(topology.pcie.effectiveBandwidth.bytesPerSecond == 51_200_000_000)
        // 936 x 0.85 and 330 x 0.5.
        #expect(topology.gpu.effectiveBandwidth.bytesPerSecond == 795_600_000_000)
        #expect(topology.gpu.effectiveComputeRate.operationsPerSecond == 165_000_000_000_000)
        #expect(topology.gpu.synchronisationCost.picoseconds == 4_400_000)
        #expect(topology.gpu.usableMemory.bytes == 20_000_000_000)
        #expect(topology.policy.hotShare == Proportion(millionths: 200_000))
        // One FP16 row of LLaMA2-70B, 8192 x 2 B, over a DIMM-link: 655.36 ns.
        #expect(topology.dimmLinks?.bandwidth.duration(of: 16_384).picoseconds == 655_360)
    }

    @Test func `The other GPUs differ from the paper's machine in their GPU alone`() throws {
        let paper = try Self.load("rtx4090-8dimm")
        let ampere = try Self.load("rtx3090-8dimm")
        let turing = try Self.load("t4-8dimm")
        #expect(ampere.gpu.peakComputeRate.operationsPerSecond == 142_000_000_000_000)
        #expect(ampere.gpu.peakBandwidth == paper.gpu.peakBandwidth)
        #expect(turing.gpu.memoryCapacity.bytes == 16_000_000_000)
        #expect(turing.gpu.peakBandwidth.bytesPerSecond == 320_000_000_000)
        for other in [ampere, turing] {
            #expect(other.dimms == paper.dimms)
            #expect(other.channels == paper.channels)
            #expect(other.pcie == paper.pcie)
            #expect(other.dimmLinks == paper.dimmLinks)
        }
    }

    /// The defaults must not drift from the file that documents them.
    @Test func `Parts that a file leaves out are those of the paper's machine`() throws {
        let paper = try Self.load("rtx4090-8dimm")
        let sparse = try Fixture.parse(
            """
            format: 1
            name: rtx4090-8dimm
            description: \(paper.summary)
            channels:
              - { node: 0, rate: 25.6 GB/s, latency: 30 ns, dimms: [0, 1] }
              - { node: 0, rate: 25.6 GB/s, latency: 30 ns, dimms: [2, 3] }
              - { node: 0, rate: 25.6 GB/s, latency: 30 ns, dimms: [4, 5] }
              - { node: 0, rate: 25.6 GB/s, latency: 30 ns, dimms: [6, 7] }
            """)
        #expect(sparse == paper)
    }

    @Test func `The summary draws GPU, PCIe, channels and DIMMs with their nodes`() throws {
        let summary = try Self.load("4-dimm").summaryTable()
        #expect(summary.contains("GPU  NVIDIA GeForce RTX 4090"))
        #expect(summary.contains("PCIe 64 GB/s x 0.8"))
        #expect(summary.contains(" +-- channel 1  25.6 GB/s --+-- DIMM 2  node 0  32 GiB, 4 ranks"))
        #expect(summary.contains("75.85 GMAC/s"))
        #expect(summary.contains("DDR4-3200"))
        #expect(summary.contains("all 6 pairs"))
        #expect(summary.split(separator: "\n").allSatisfy { $0.count <= 140 })
    }
}
