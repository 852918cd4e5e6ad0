import Foundation
import Testing

extension LaunchTests {
    /// `topology synthesize`: of this machine, and of what hwloc reads.
    @Suite struct SynthesizedTopologyTests {
        private static var hasHwloc: Bool {
            (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
                FileManager.default.isExecutableFile(atPath: "\($0)/lstopo-no-graphics")
            }
        }

        private static let reason = Comment(
            "needs hwloc-nox, which launch/setup --with-hwloc installs")

        private func synthesize(_ options: [String]) throws -> Outcome {
            try LaunchTests.start(["topology", "synthesize"] + options)
        }

        @Test func `A topology of this machine is one that its commands take`() throws {
            let written = try synthesize(["--dimms-per-node", "2"])
            #expect(written.ending == .exited(0), "\(written.errors)")
            let folder = try ScratchFolder()
            let path = try folder.write("machine.yaml", written.output)
            let checked = try LaunchTests.start(["topology", "check", path])
            #expect(checked.ending == .exited(0), "\(checked.errors)")
        }

        @Test(.enabled(if: hasHwloc, reason))
        func `An hwloc description becomes modelled nodes`() throws {
            let written = try synthesize([
                "--hwloc", "Package:4 [NUMANode(memory=64GB)] Core:2 PU:1", "--remote-distance",
                "20", "--dimms-per-node", "2",
            ])
            #expect(written.ending == .exited(0), "\(written.errors)")
            // Two channels of 25.6 GB/s a node, of which 10/20 cross.
            #expect(written.text.components(separatedBy: "bandwidth: 25.60 GB/s").count == 1 + 6)
            let folder = try ScratchFolder()
            let path = try folder.write("four.yaml", written.output)
            let checked = try LaunchTests.start(["topology", "check", path])
            #expect(checked.ending == .exited(0), "\(checked.errors)")
            #expect(checked.text.contains("8 DIMMs"))
        }

        /// Every kind of object and attribute that hwloc's documentation on synthetic topologies
        /// names; nodes are numbered by hwloc itself.
        @Test(
            .enabled(if: hasHwloc, reason),
            arguments: [
                ("Package:2 [NUMANode(memory=64GB)] Core:8 PU:1", [0, 1]),
                ("Package:4 NUMANode:1(memory=16GB) L3Cache:1(size=33554432) PU:2", [0, 1, 2, 3]),
                ("NUMANode:2 L2Cache:4(size=1048576) L1dCache:1 Core:1 PU:2", [0, 1]),
                ("pack:2 numa:2 l3:1 core:2 pu:2", [0, 1, 2, 3]),
                ("Group:2 Package:2 L5:1 L4:1 L3:1 L2:1 L1i:1 L1d:1 Die:1 Core:1 PU:2", [0]),
                ("node:2 core:2 pu:1", [0, 1]), ("3 2 2", Array(0..<6)), ("Core:4 PU:2", [0]),
                ("NUMANode:3(indexes=4,7,5) PU:2", [4, 5, 7]),
                ("Die:2 [NUMA(memory=1GB)] [NUMA(memory=4GB)] Core:2 PU:1", [0, 1, 2, 3]),
            ])
        func `Every kind of hwloc description is read`(text: String, nodes: [Int]) throws {
            let written = try synthesize(["--hwloc", text])
            #expect(written.ending == .exited(0), "\(written.errors)")
            let found = written.text.split(separator: "\n")
                .compactMap { $0.firstMatch(of: /- \{ node: (\d+),/) }.compactMap {
                    Int($0.output.1)
                }
            #expect(found == nodes, "\(written.text)")
        }

        @Test(
            .enabled(if: hasHwloc, reason),
            arguments: [
                ("nonsense", "unknown object type"), ("", "empty"), ("  ", "empty"),
                ("Package:0 PU:1", "0 number of objects"), ("PU:1 Package:2", "last level"),
                ("Package:2 [NUMANode(memory=64GB) Core:8 PU:1", "closing"),
                ("Package:2 NUMANode:1(memory=lots) PU:1", "parameter"),
                ("Machine:1 PU:2", "disallowed object type"), ("/etc", "unknown object type"),
                ("NUMANode:65 PU:1", "at most 64"), ("Core:2", "last level"),
            ])
        func `A malformed description is refused with hwloc's reason`(
            text: String, reason: String
        ) throws {
            let outcome = try synthesize(["--hwloc", text])
            #expect(outcome.ending == .exited(65), "\(outcome.errors)")
            #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }

        @Test func `Without hwloc it is said what to install`() throws {
            let folder = try ScratchFolder()
            let outcome = try LaunchTests.start(
                ["topology", "synthesize", "--hwloc", "PU:1"],
                environment: ["PATH": folder.path])
            #expect(outcome.ending == .exited(69), "\(outcome.errors)")
            #expect(outcome.errors.contains("hwloc-nox"), "\(outcome.errors)")
        }
    }
}
