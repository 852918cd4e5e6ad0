import Foundation
import TestLevels
import Testing

extension LaunchTests {
    /// Nodes that the machine lacks, in whole runs.
    @Suite struct ModelledRunTests {
        private static let distance = 21

        /// One DIMM and two nodes, the GPU on node 0. Links are so slow that next to nothing else
        /// takes time: what a run waits for is its bytes, over the channel (as fast as a node's own
        /// memory) and, to the other node, over 10/21 of that.
        private static let topology = """
            format: 1
            name: one DIMM, two nodes
            pcie: { bandwidth: 64 GB/s, efficiency: 1, latency: 0 ns }
            channels:
              - { node: 0, rate: 10 MB/s, latency: 0 ns, dimms: [0] }
            interconnect:
              distances: [[10, \(distance)], [\(distance), 10]]
              local_bandwidth: 10 MB/s
              local_latency: 90 ns
            """

        private struct Timed {
            let emulated: Double
            let paced: Double?
            let crossed: Int
        }

        /// - Parameter node: where the DIMM is.
        private func run(
            dimmOn node: Int, file: String, _ options: [String] = []
        ) throws -> Timed {
            let outcome = try LaunchTests.start(
                [
                    "run", "--topology", file, "--model", ReLUModel.path, "--raw", "--prompt",
                    "memory: the", "--ignore-eos", "--tokens", "4", "--set",
                    "dimm_overrides.0.node=\(node)", "--overrun-limit", "1", "--json", "-",
                ] + options)
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let parsed = try JSONSerialization.jsonObject(with: Data(outcome.output))
            let document = try #require(parsed as? [String: Any])
            let seconds = try #require(document["seconds"] as? [String: Any])
            let host = try #require(document["host"] as? [String: Any])
            let links = try #require(document["links"] as? [[String: Any]])
            let crossing = links.first { $0["name"] as? String == "interconnect 0-1" }
            return Timed(
                emulated: try #require(seconds["emulated"] as? Double),
                paced: host["seconds_paced"] as? Double, crossed: crossing?["bytes"] as? Int ?? 0)
        }

        @Test func `A whole run to the other node takes as much longer as its distance says`()
            throws
        {
            let folder = try ScratchFolder()
            let file = try folder.write("topology.yaml", Self.topology)
            let local = try run(dimmOn: 0, file: file)
            let remote = try run(dimmOn: 1, file: file)
            #expect(local.crossed == 0)
            // Bytes over 10/21 of 10 MB/s, in seconds; the run takes little more than that.
            let rate = Double(10_000_000 * 10 / Self.distance)
            let crossing = Double(remote.crossed) / rate
            #expect(remote.emulated >= crossing && remote.emulated < 1.01 * crossing)
            let ratio = remote.emulated / local.emulated
            let configured = Double(Self.distance) / 10
            #expect(abs(ratio / configured - 1) < 0.05, "\(ratio), configured \(configured)")
        }

        /// The same by the wall clock: what the run really took, divided by the dilation. A
        /// disturbed machine makes single runs longer, so the shortest of three speaks for each.
        @Test(.enabled(if: TestLevel.current >= .ci, "takes 11 seconds: CI runs it"))
        func `The wall clock of a paced run shows the same ratio`() throws {
            let folder = try ScratchFolder()
            let file = try folder.write("topology.yaml", Self.topology)
            var shortest: [Int: Double] = [:]
            for _ in 0..<3 {
                for node in [0, 1] {
                    let timed = try run(
                        dimmOn: node, file: file, ["--clock", "paced", "--dilation", "2"])
                    let paced = try #require(timed.paced)
                    // The clock never runs ahead of emulated time.
                    #expect(paced >= 0.999 * timed.emulated)
                    shortest[node] = min(shortest[node] ?? .infinity, paced)
                }
            }
            let ratio = try #require(shortest[1]) / #require(shortest[0])
            let configured = Double(Self.distance) / 10
            #expect(abs(ratio / configured - 1) < 0.05, "\(ratio), configured \(configured)")
        }
    }
}
