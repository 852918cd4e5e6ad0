import Foundation
import TestLevels
import Testing

extension LaunchTests {
    /// Choices of binding on four real nodes of a kernel: huge pages of a pool, rings between
    /// workers, and the coordinator itself.
    @Suite(
        .enabled(if: TestLevel.current > .plain, "boots guests: for --ci and --full"),
        .enabled(if: Lab.isReady, Lab.reason))
    struct LabBindingTests {
        private let boot: LabBoot

        init() throws { boot = try LabBoot.shared.get() }

        private func document(_ name: String) throws -> [String: Any] {
            let parsed = try JSONSerialization.jsonObject(with: Data(boot.file(name)))
            return try #require(parsed as? [String: Any])
        }

        /// What a run says of each worker's host, in DIMM order.
        private func hosts(_ name: String) throws -> [[String: Any]] {
            let dimms = try #require(try document(name)["dimms"] as? [[String: Any]])
            try #require(dimms.count == 8)
            return try dimms.map { try #require($0["host"] as? [String: Any]) }
        }

        private func binding(_ host: [String: Any]) throws -> [String: Any] {
            try #require(host["binding"] as? [String: Any])
        }

        // MARK: A pool of huge pages

        @Test func `Weights and KV cache lie in huge pages of the worker's node`() throws {
            let ending = try boot.ending(of: "pooled")
            #expect(ending.code == 0, "\(ending.errors)")
            for (dimm, host) in try hosts("pooled.json").enumerated() {
                let binding = try binding(host)
                #expect(binding["mismatches"] as? [String] == [])
                #expect(binding["refusals"] as? [String] == [])
                #expect((binding["huge_page_bytes"] as? Int ?? 0) >= 2 * 2 << 20)
                let atEnd = try #require(binding["at_end"] as? [String: [String: Int]])
                #expect(Array((atEnd["weight_pages"] ?? [:]).keys) == ["\(dimm / 2)"])
                #expect(host["pages_elsewhere"] as? Int == 0)
            }
        }

        /// Two mappings: the weights and the KV cache.
        @Test func `The kernel's own table shows the huge pages, their size and their node`() throws
        {
            for (dimm, host) in try hosts("pooled.json").enumerated() {
                let maps = try boot.text("pooled-maps-\(#require(host["pid"] as? Int))")
                let lines = maps.split(separator: "\n").filter {
                    $0.split(separator: " ").contains("huge")
                }
                #expect(lines.count == 2, "DIMM \(dimm): \(lines)")
                for line in lines {
                    let fields = line.split(separator: " ")
                    #expect(fields.contains("kernelpagesize_kB=2048"), "\(line)")
                    #expect(fields.contains("bind:\(dimm / 2)"), "\(line)")
                    let nodes = fields.filter { $0.contains(/^N\d+=/) }
                    #expect(nodes.count == 1 && nodes[0].hasPrefix("N\(dimm / 2)="), "\(line)")
                }
            }
        }

        @Test func `A worker whose node's pool is empty ends the run with 73`() throws {
            let ending = try boot.ending(of: "pool-empty")
            #expect(ending.code == 73, "\(ending.errors)")
            // Six and seven are on node 3.
            #expect(ending.errors.contains(/worker of DIMM [67]: cannot take huge pages/))
            #expect(ending.errors.contains("nr_hugepages"), "\(ending.errors)")
        }

        @Test func `The doctor names the node whose pool is too small`() throws {
            let ending = try boot.ending(of: "pool-doctor")
            #expect(ending.code == 69, "\(ending.errors)")
            let line = try #require(
                boot.text("pool-doctor.text").split(separator: "\n")
                    .first { $0.contains(" hugetlbfs ") })
            #expect(line.hasPrefix("missing"))
            #expect(line.contains("/node3/hugepages/hugepages-2048kB/nr_hugepages"))
            #expect(!line.contains("/node0/hugepages"))
        }

        @Test func `With best effort base pages of the same node are taken, and it is said`() throws
        {
            let ending = try boot.ending(of: "pool-best-effort")
            #expect(ending.code == 0, "\(ending.errors)")
            for (dimm, host) in try hosts("pool-best-effort.json").enumerated() {
                let isRefused = ending.errors.contains("BINDING REFUSED, DIMM \(dimm)")
                #expect(isRefused == (dimm >= 6), "\(ending.errors)")
                #expect(host["pages_elsewhere"] as? Int == 0)
            }
        }

        // MARK: Rings between workers, and the coordinator

        @Test func `Rings between workers lie on the reader's node`() throws {
            let ending = try boot.ending(of: "coordinated")
            #expect(ending.code == 0, "\(ending.errors)")
            for (dimm, host) in try hosts("coordinated.json").enumerated() {
                let binding = try binding(host)
                #expect(binding["mismatches"] as? [String] == [])
                let rings = try #require(binding["peer_rings"] as? [[String: Any]])
                #expect(rings.count == 7)
                for ring in rings {
                    let pages = try #require(ring["pages"] as? [String: Int])
                    #expect(ring["requested_nodes"] as? [Int] == [dimm / 2])
                    #expect(Array(pages.keys) == ["\(dimm / 2)"], "from \(ring)")
                }
            }
        }

        @Test func `A coordinator on node 3 keeps to it, and its workers to theirs`() throws {
            // One CPU a node, so node 3 is CPU 3.
            #expect(try boot.text("coordinator-cpus") == "Cpus_allowed_list:\t3\n")
            #expect(try boot.text("coordinator-maps").contains("bind:3"))
            let host = try #require(try document("coordinated.json")["host"] as? [String: Any])
            let coordinator = try #require(host["coordinator"] as? [String: Any])
            let requested = try #require(coordinator["requested"] as? [String: Any])
            #expect(requested["cpus"] as? [Int] == [3])
            #expect(requested["memory_nodes"] as? [Int] == [3])
            let atEnd = try #require(coordinator["at_end"] as? [String: Any])
            #expect(atEnd["cpus"] as? [Int] == [3])
            #expect(coordinator["mismatches"] as? [String] == [])
            let nodes = try hosts("coordinated.json").map { $0["node"] as? Int }
            #expect(nodes == [0, 0, 1, 1, 2, 2, 3, 3])
            // What the workers send lies with the coordinator.
            for host in try hosts("coordinated.json") {
                let binding = try binding(host)
                let rings = try #require(binding["ring_pages"] as? [String: [String: Int]])
                #expect(rings["to_coordinator"].map { Array($0.keys) } == ["3"])
            }
        }
    }
}
