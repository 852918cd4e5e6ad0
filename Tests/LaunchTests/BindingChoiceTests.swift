import Foundation
import Testing

extension LaunchTests {
    /// Choices of binding on whatever machine this is; `LabTests` has those that need nodes.
    @Suite struct BindingChoiceTests {
        private func document(_ outcome: Outcome) throws -> [String: Any] {
            let parsed = try JSONSerialization.jsonObject(with: Data(outcome.output))
            return try #require(parsed as? [String: Any])
        }

        private func hosts(_ document: [String: Any]) throws -> [[String: Any]] {
            let dimms = try #require(document["dimms"] as? [[String: Any]])
            return try dimms.map { try #require($0["host"] as? [String: Any]) }
        }

        // MARK: Huge pages

        /// Whether the kernel has set pages aside: this test takes none away from their owner.
        private static var hasPool: Bool {
            let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
            return text.firstMatch(of: /HugePages_Total: +0\n/) == nil
        }

        @Test(.enabled(if: !hasPool, "this machine has a pool of huge pages, which others may use"))
        func `An empty pool of huge pages ends the run with 73, and says how to make one`() throws {
            let outcome = try TinyModelFile().run([
                "--topology", "2-dimm", "--set", "dimm.binding.huge_pages=hugetlbfs",
            ])
            #expect(outcome.ending == .exited(73), "\(outcome.errors)")
            for word in ["huge pages", "the weight shard", "echo COUNT > ", "nr_hugepages"] {
                #expect(outcome.errors.contains(word), "\(outcome.errors)")
            }
        }

        @Test(.enabled(if: !hasPool, "this machine has a pool of huge pages, which others may use"))
        func `With best effort an empty pool is said loudly, and base pages are used`() throws {
            let outcome = try TinyModelFile().run([
                "--topology", "2-dimm", "--set", "dimm.binding.huge_pages=hugetlbfs",
                "--binding", "best-effort", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            for dimm in 0..<2 {
                #expect(outcome.errors.contains("BINDING REFUSED, DIMM \(dimm)"))
                #expect(outcome.errors.contains("NOT BOUND AS ASKED, DIMM \(dimm)"))
            }
            for host in try hosts(document(outcome)) {
                let binding = try #require(host["binding"] as? [String: Any])
                #expect(binding["huge_page_bytes"] as? Int == 0)
                let refusals = try #require(binding["refusals"] as? [String])
                #expect(refusals.contains { $0.contains("base pages are used") })
                let requested = try #require(binding["requested"] as? [String: Any])
                #expect(requested["huge_pages"] as? String == "hugetlbfs")
            }
        }

        @Test(.enabled(if: !hasPool, "this machine has a pool of huge pages, which others may use"))
        func `The doctor says that the pool is too small, and what to write where`() throws {
            let outcome = try LaunchTests.start([
                "doctor", "--topology", "2-dimm", "--set", "dimm.binding.huge_pages=hugetlbfs",
            ])
            #expect(outcome.ending == .exited(69), "\(outcome.errors)")
            let line = try #require(
                outcome.text.split(separator: "\n").first { $0.contains(" hugetlbfs ") })
            #expect(line.hasPrefix("missing"))
            #expect(line.contains(/echo \d+ > \/sys\/devices\/system\/node\/node\d+\/hugepages/))
        }

        // MARK: Rings between workers

        @Test(arguments: ["consumer", "producer"])
        func `Rings between workers are shown with their pages`(side: String) throws {
            let outcome = try LaunchTests.start([
                "run", "--model", ReLUModel.path, "--raw", "--prompt", "memory: the", "--tokens",
                "4", "--ignore-eos", "--policy.rebalance", "static", "--topology", "2-dimm",
                "--set",
                "dimm.binding.rings=\(side)", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let hosts = try hosts(document(outcome))
            try #require(hosts.count == 2)
            for (dimm, host) in hosts.enumerated() {
                let binding = try #require(host["binding"] as? [String: Any])
                let rings = try #require(binding["peer_rings"] as? [[String: Any]])
                try #require(rings.count == 1)
                #expect(rings[0]["from"] as? Int == 1 - dimm)
                let nodes = try #require(rings[0]["requested_nodes"] as? [Int])
                let pages = try #require(rings[0]["pages"] as? [String: Int])
                #expect(Set(pages.keys.compactMap { Int($0) }).isSubset(of: nodes))
                #expect(pages.values.reduce(0, +) > 0)
            }
        }

        // MARK: The coordinator

        @Test func `The coordinator is held to the CPU that it was asked to keep to`() throws {
            let outcome = try TinyModelFile().run([
                "--topology", "2-dimm", "--set", "coordinator.binding.policy=bind", "--set",
                "coordinator.binding.cpus=+0", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try document(outcome)
            let host = try #require(document["host"] as? [String: Any])
            let coordinator = try #require(host["coordinator"] as? [String: Any])
            let requested = try #require(coordinator["requested"] as? [String: Any])
            let atEnd = try #require(coordinator["at_end"] as? [String: Any])
            let cpus = try #require(requested["cpus"] as? [Int])
            #expect(cpus.count == 1)
            #expect(atEnd["cpus"] as? [Int] == cpus)
            #expect(host["threads"] as? Int == 1)
            #expect(((atEnd["anonymous_pages"] as? [String: Int]) ?? [:]).values.reduce(0, +) > 0)
            #expect(coordinator["mismatches"] as? [String] == [])
            #expect(outcome.errors.contains("binding: coordinator on CPU \(cpus[0]), as asked"))
        }

        @Test func `A coordinator that is asked nothing is bound to nothing`() throws {
            let outcome = try TinyModelFile().run(["--topology", "1-dimm", "--json", "-"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let host = try #require(try document(outcome)["host"] as? [String: Any])
            let coordinator = try #require(host["coordinator"] as? [String: Any])
            let requested = try #require(coordinator["requested"] as? [String: Any])
            #expect(requested["memory_policy"] as? String == "first-touch")
            #expect(requested["cpus"] is NSNull)
            #expect(!outcome.errors.contains("coordinator on CPU"))
        }

        /// The last CPU that node 0 and this process share: where there are several, not the first.
        private static func lastCPU() throws -> Int {
            func numbers(_ text: Substring) -> Set<Int> {
                Set(
                    text.split(separator: ",").flatMap { part -> [Int] in
                        let ends = part.split(separator: "-").compactMap {
                            Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
                        }
                        return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
                    })
            }
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
            let allowed = numbers(try #require(line).dropFirst("Cpus_allowed_list:".count))
            let node = try? String(
                contentsOfFile: "/sys/devices/system/node/node0/cpulist", encoding: .utf8)
            let shared = node.map { allowed.intersection(numbers($0[...])) } ?? allowed
            return try #require(shared.max())
        }

        /// One CPU is all that taskset leaves, so `+0` is that one.
        @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount > 1, "needs two CPUs"))
        func `An inherited mask is respected, and relative numbers count within it`() throws {
            let cpu = try Self.lastCPU()
            let outcome = try TinyModelFile().run(
                [
                    "--topology", "2-dimm", "--set", "coordinator.binding.policy=local", "--set",
                    "coordinator.binding.cpus=+0", "--json", "-",
                ], script: "exec taskset -c \(cpu) \"$0\" \"$@\"")
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try document(outcome)
            let host = try #require(document["host"] as? [String: Any])
            let coordinator = try #require(host["coordinator"] as? [String: Any])
            let requested = try #require(coordinator["requested"] as? [String: Any])
            #expect(requested["cpus"] as? [Int] == [cpu])
            let atEnd = try #require(coordinator["at_end"] as? [String: Any])
            #expect(atEnd["cpus"] as? [Int] == [cpu])
        }

        @Test func `CPUs that the nodes do not offer are bad input`() throws {
            let outcome = try TinyModelFile().run([
                "--topology", "1-dimm", "--set", "coordinator.binding.policy=local", "--set",
                "coordinator.binding.cpus=1023",
            ])
            #expect(outcome.ending == .exited(65), "\(outcome.errors)")
            #expect(outcome.errors.contains("coordinator.binding.cpus '1023'"))
        }

        // MARK: emulate

        @Test func `An emulation proves its workers' binding as a run does`() throws {
            let outcome = try LaunchTests.start([
                "emulate", "--model", "opt-13b", "--topology", "4-dimm", "--prompt-tokens", "1",
                "--tokens", "2", "--set", "coordinator.binding.policy=bind", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try document(outcome)
            let hosts = try hosts(document)
            try #require(hosts.count == 4)
            for host in hosts {
                #expect((host["pid"] as? Int ?? 0) > 0)
                #expect(host["pages_elsewhere"] as? Int == 0)
                #expect((host["pages_on_node"] as? Int ?? 0) > 0)
                #expect(host["node"] as? Int != nil)
                let binding = try #require(host["binding"] as? [String: Any])
                #expect(binding["mismatches"] as? [String] == [])
                let rings = try #require(binding["ring_pages"] as? [String: [String: Int]])
                #expect(rings["to_worker"]?.isEmpty == false)
                #expect((binding["peer_rings"] as? [[String: Any]])?.count == 3)
            }
            let host = try #require(document["host"] as? [String: Any])
            let coordinator = try #require(host["coordinator"] as? [String: Any])
            #expect(coordinator["mismatches"] as? [String] == [])
            let numa = try #require(host["numa"] as? [String: Any])
            #expect(["measured", "modelled"].contains(numa["basis"] as? String))
        }

        /// Whether there are fewer CPUs than the processes of eight DIMMs, and more than one.
        private static var isCrowded: Bool {
            (2..<9).contains(ProcessInfo.processInfo.activeProcessorCount)
        }

        @Test(.enabled(if: isCrowded, "needs two to eight CPUs"))
        func `On few cores a virtual run shares one, and runs in wall time have all`() throws {
            let shape = ["--model", "opt-13b", "--prompt-tokens", "1", "--tokens", "2"]
            func sharedCore(_ options: [String]) throws -> Int? {
                let outcome = try LaunchTests.start(
                    ["emulate", "--json", "-"] + shape + options)
                try #require(outcome.ending == .exited(0), "\(outcome.errors)")
                let host = try #require(document(outcome)["host"] as? [String: Any])
                #expect(host.keys.contains("shared_core"))
                return host["shared_core"] as? Int
            }
            #expect(try sharedCore([]) != nil)
            #expect(try sharedCore(["--clock", "native"]) == nil)
            // The topology says where the coordinator is.
            #expect(try sharedCore(["--set", "coordinator.binding.policy=bind"]) == nil)
        }

        /// The CPUs that a process may run on, as the kernel writes them.
        private static func cpus(of process: Int32) -> String? {
            let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            let line = status?.split(separator: "\n")
                .first { $0.hasPrefix("Cpus_allowed_list:") }
            return line?.split(separator: "\t").last.map(String.init)
        }

        @Test(.enabled(if: isCrowded, "needs two to eight CPUs"))
        func `Between two emulations a process has all its CPUs again`() throws {
            let folder = try ScratchFolder()
            let launch = try Launch([
                "sweep", "--model", "opt-13b", "--sweep", "batch=1,2", "--prompt-tokens", "4",
                "--tokens", "4", "--no-plots", "--output", folder.entry("sweep"),
            ])
            func isHeld() -> Bool? {
                Self.cpus(of: launch.identifier).map { Int($0) != nil }
            }
            for expected in [false, true, false, true] {
                launch.wait(for: "held \(expected)") { isHeld() == expected }
            }
            let outcome = launch.finish()
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
        }

        @Test(.enabled(if: isCrowded, "needs two to eight CPUs"))
        func `Emulations at once have different cores`() throws {
            let folder = try ScratchFolder()
            let launch = try Launch([
                "reproduce", "9", "--systems", "hermes", "--tokens", "16", "--jobs", "2",
                "--no-plots", "--output", folder.entry("reproduce"),
            ])
            // The helper is a child of the process that has the other part.
            var parts: Set<String> = []
            launch.wait(for: "two jobs with a core each") {
                let own = Self.cpus(of: launch.identifier)
                let helper = ProcessTable.children(of: launch.identifier).first {
                    $0.arguments.contains("--share")
                }
                parts = Set(
                    [own, helper.flatMap { Self.cpus(of: $0.identifier) }].compactMap(\.self))
                return parts.count == 2 && parts.allSatisfy { Int($0) != nil }
            }
            launch.send(SIGINT)
            #expect(launch.finish().ending == .exited(130))
            #expect(parts.count == 2, "\(parts)")
        }

        @Test(.enabled(if: isCrowded, "needs two to eight CPUs"))
        func `Workers that share a core may run on no other`() throws {
            let launch = try Launch([
                "emulate", "--model", "opt-13b", "--prompt-tokens", "16", "--tokens", "2000",
            ])
            launch.wait(for: "eight workers") { launch.workers.count == 8 }
            let cpus = launch.workers.map { Self.cpus(of: $0.identifier) }
            launch.send(SIGINT)
            #expect(launch.finish().ending == .exited(130))
            #expect(Set(cpus).count == 1)
            #expect(cpus.first.flatMap { $0 }.flatMap { Int($0) } != nil, "\(cpus)")
        }

        @Test func `A host that computes in place of the DIMMs has its proof, too`() throws {
            let outcome = try LaunchTests.start([
                "emulate", "--model", "opt-13b", "--system", "hermes-host", "--topology", "4-dimm",
                "--prompt-tokens", "1", "--tokens", "2", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try document(outcome)
            #expect((document["dimms"] as? [Any])?.isEmpty == true)
            let host = try #require(document["host"] as? [String: Any])
            let worker = try #require(host["host_cpu"] as? [String: Any])
            #expect(worker["pages_elsewhere"] as? Int == 0)
            #expect(worker["binding"] is [String: Any])
        }
    }
}
