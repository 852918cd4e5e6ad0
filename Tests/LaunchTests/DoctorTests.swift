import Foundation
import Glibc
import Testing

extension LaunchTests {
    /// `doctor`, and what a run says of its binding. On a machine with one node these hold
    /// trivially, and the calls are made all the same.
    @Suite struct DoctorTests {
        private func host(of outcome: Outcome) throws -> [String: Any] {
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            return try #require((document as? [String: Any])?["host"] as? [String: Any])
        }

        @Test func `Every finding is one line that begins with its status`() throws {
            let outcome = try LaunchTests.start(["doctor"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let lines = outcome.text.split(separator: "\n")
            #expect(lines.count >= 15)
            for line in lines {
                let status = String(line.prefix { $0 != " " })
                if !["ok", "degraded", "missing"].contains(status) || !line.contains(" -- ") {
                    Issue.record("\(line)")
                }
                if status != "ok", !line.contains("to mend: ") { Issue.record("\(line)") }
            }
            for subject in ["cores", "mbind", "set_mempolicy", "/dev/shm", "memlock", "rdma"] {
                #expect(outcome.text.contains(subject))
            }
        }

        @Test func `A topology that fits is said to run, as JSON too`() throws {
            let outcome = try LaunchTests.start(["doctor", "--topology", "1-dimm", "--json", "-"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let host = try host(of: outcome)
            #expect(host["can_run"] as? Bool == true)
            let findings = try #require(host["findings"] as? [[String: Any]])
            #expect(findings.contains { $0["subject"] as? String == "oversubscription" })
        }

        @Test func `DIMMs on other hosts take nothing of this machine`() throws {
            func findings(_ options: [String]) throws -> (nodes: String, processes: String) {
                let outcome = try LaunchTests.start(["doctor", "--topology", "2-dimm"] + options)
                #expect(outcome.ending == .exited(0), "\(outcome.errors)")
                let lines = outcome.text.split(separator: "\n").map { String($0) }
                return (
                    try #require(lines.first { $0.contains("topology nodes") }),
                    try #require(lines.first { $0.contains("oversubscription") })
                )
            }
            #expect(try findings([]).processes.contains("3 processes"))
            let far = try findings(["--set", "dimm_overrides.1.host=node2"])
            #expect(far.nodes.contains("1 on other hosts"))
            #expect(far.processes.contains("2 processes"))
        }

        @Test func `A topology with nodes that are not here ends with exit 69`() throws {
            let outcome = try LaunchTests.start(
                ["doctor", "--topology", "1-dimm", "--set", "channels.0.node=1023"])
            #expect(outcome.ending == .exited(69))
            #expect(outcome.errors.contains("1023"))
            #expect(outcome.text.contains("missing  topology nodes"))
        }

        @Test(arguments: ["", "--connect 127.0.0.1:1"])
        func `What a crash left is named, and removed when told to`(options: String) throws {
            let folder = try ScratchFolder()
            // A worker outlives its coordinator only by mishap: a shell plays one.
            try FileManager.default.copyItem(atPath: "/bin/bash", toPath: folder.entry("hermes"))
            _ = try folder.write("worker", "echo $$ >identifier\nexec 3<>silence\nread line <&3\n")
            _ = try folder.makePipe("silence")
            let unfinished = try folder.write(".some.trace.123.partial", "half of")
            let place = "cd '\(folder.path)'; "
            var start: Launch? = try Launch(
                [],
                script: place
                    + "./hermes worker --coordinator 1 \(options) & "
                    + "while test ! -s identifier; do :; done"
            )
            var identifier: Int32?
            start?.wait(for: "the worker's number") {
                let path = folder.entry("identifier")
                identifier = (try? String(contentsOfFile: path, encoding: .utf8))
                    .flatMap { Int32($0.dropLast()) }
                return identifier != nil
            }
            let worker = try #require(identifier)
            defer { _ = kill(worker, SIGKILL) }
            // Its parent is dropped, and so killed.
            start = nil
            let script = place + "exec \"$0\" \"$@\""
            func leftovers(_ options: [String]) throws -> String {
                let outcome = try LaunchTests.start(["doctor"] + options, script: script)
                #expect(outcome.ending == .exited(0), "\(outcome.errors)")
                let lines = outcome.text.split(separator: "\n")
                return String(try #require(lines.first { $0.contains("leftovers") }))
            }
            let line = try leftovers([])
            #expect(line.hasPrefix("degraded"))
            #expect(line.contains("without a coordinator: \(worker);"), "\(line)")
            #expect(line.contains("/.some.trace.123.partial"))
            #expect(ProcessTable.state(of: worker) == "S")
            // Only what this test made is removed: another's leftovers would stand in the line.
            guard line.contains("without a coordinator: \(worker);") else { return }
            #expect(try leftovers(["--clean"]).hasPrefix("ok"))
            #expect([nil, "Z"].contains(ProcessTable.state(of: worker)))
            #expect(!FileManager.default.fileExists(atPath: unfinished))
        }

        @Test func `A running run's workers are no leftovers`() throws {
            _ = try DefaultModel.path()
            let run = try Launch(
                ["run", "--raw", "--ignore-eos", "--prompt", "Once", "--tokens", "2000"])
            run.wait(for: "four workers") {
                ProcessTable.children(of: run.identifier).count == 4
            }
            let outcome = try LaunchTests.start(["doctor"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let identifiers = Set(
                ProcessTable.children(of: run.identifier).map { "\($0.identifier)" })
            #expect(identifiers.count == 4)
            let line = try #require(
                outcome.text.split(separator: "\n").first { $0.contains("leftovers") })
            let numbers = line.split { !$0.isNumber }.map { String($0) }
            #expect(identifiers.isDisjoint(with: numbers), "\(line)")
            run.send(SIGINT)
            #expect(run.finish(within: .seconds(20)).ending == .exited(130))
        }

        @Test(arguments: ["bind", "preferred", "interleave", "local", "first-touch"])
        func `Under every policy a run says where all pages are`(policy: String) throws {
            let outcome = try LaunchTests.start(
                [
                    "run", "--topology", "2-dimm", "--tokens", "2", "--raw", "--prompt", "The",
                    "--set", "dimm.binding.policy=\(policy)", "--set",
                    "dimm.binding.rings=producer", "--json", "-",
                ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            let dimms = try #require((document as? [String: Any])?["dimms"] as? [[String: Any]])
            #expect(dimms.count == 2)
            for dimm in dimms {
                let host = try #require(dimm["host"] as? [String: Any])
                let binding = try #require(host["binding"] as? [String: Any])
                let requested = try #require(binding["requested"] as? [String: Any])
                #expect(requested["memory_policy"] as? String == policy)
                #expect(binding["mismatches"] as? [String] == [])
                #expect(binding["refusals"] as? [String] == [])
                let last = try #require(binding["at_end"] as? [String: [String: Int]])
                let bytes = try #require(dimm["weight_bytes"] as? Int)
                let pages = (last["weight_pages"] ?? [:]).values.reduce(0, +)
                let pageByteCount = Int(getpagesize())
                #expect(pages == (bytes + pageByteCount - 1) / pageByteCount)
                #expect(last["threads"]?.values.reduce(0, +) == 1)
                #expect(host["pages_elsewhere"] as? Int == 0)
                let rings = try #require(binding["ring_pages"] as? [String: [String: Int]])
                #expect(rings["to_worker"]?.isEmpty == false)
                #expect(rings["to_coordinator"]?.isEmpty == false)
            }
            #expect(outcome.errors.contains("all as asked"))
        }

        @Test func `Locked memory is locked, and the kernel says how much`() throws {
            let outcome = try LaunchTests.start(
                [
                    "run", "--topology", "1-dimm", "--tokens", "2", "--raw", "--prompt", "The",
                    "--set", "dimm.binding.lock=on", "--json", "-",
                ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            let dimms = try #require((document as? [String: Any])?["dimms"] as? [[String: Any]])
            let host = try #require(dimms[0]["host"] as? [String: Any])
            let binding = try #require(host["binding"] as? [String: Any])
            let locked = try #require(binding["locked_bytes"] as? Int)
            let refusals = try #require(binding["refusals"] as? [String])
            let weights = try #require(dimms[0]["weight_bytes"] as? Int)
            // Without the privilege and above the limit the kernel refuses, and that is said.
            #expect(locked >= weights || refusals.contains { $0.contains("lock") })
        }
    }
}
