import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// Four DIMMs on two nodes of a real Slurm. `Launch` looks for leftovers.
    @Suite(
        .enabled(if: TestLevel.current >= .ci, "runs from level ci on"),
        .enabled(if: SlurmCluster.isInstalled, SlurmCluster.reason))
    struct SlurmTests {
        private static let hosts = ["n1", "n2"]
        private static let nodes = ["n1", "n1", "n2", "n2"]

        private func document(_ outcome: Outcome) throws -> TransportDocument {
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            return try TransportDocument(outcome.output)
        }

        private func finish(_ launch: Launch) -> Outcome { launch.finish(within: .seconds(90)) }

        @Test func `Runs on two nodes are local runs in all but their hosts`() throws {
            let cluster = try SlurmCluster()
            let run = try FarRun(hosts: Self.hosts)
            let local = try run.local()
            let expected = try document(local)

            let far = try finish(
                cluster.launch(
                    run.arguments(launcher: "slurm", []), environment: run.model.environment))
            let found = try document(far)
            #expect(try withoutHost(local.output) == withoutHost(far.output))
            #expect(found.dimms.map(\.host.hostName) == Self.nodes)
            #expect(found.dimms.map(\.host.transport) == Array(repeating: "tcp", count: 4))

            // A worker that is lost, with the second node's own copy of the model.
            let copy = run.model.folder.entry("copy.gguf")
            let lost = try document(
                finish(
                    cluster.launch(
                        run.arguments(
                            launcher: "slurm",
                            [
                                "--worker-model", copy, "--fault",
                                "kill@token=3,layer=1,step=mlp,dimm=3",
                            ]),
                        before: "sbcast --force \(run.model.path) \(copy)",
                        environment: run.model.environment)))
            #expect(FileManager.default.contentsEqual(atPath: copy, andPath: run.model.path))
            #expect(lost.generatedTokens == expected.generatedTokens)
            #expect(lost.dimms.map(\.restarts) == [0, 0, 0, 1])
            #expect(lost.dimms.map(\.host.hostName) == Self.nodes)

            try expectBatch(of: run, on: cluster, gives: local)
            try expectFailures(of: run, on: cluster)
        }

        /// The script that a dry run prints is one that sbatch takes.
        private func expectBatch(
            of run: FarRun, on cluster: SlurmCluster, gives local: Outcome
        ) throws {
            let options = run.arguments(launcher: "slurm", ["--dry-run"])
            let text = try LaunchTests.start(
                options, environment: cluster.environment.merging(run.model.environment) { $1 })
            #expect(text.ending == .exited(0), "\(text.errors)")
            #expect(text.text.contains(":PORT "))
            let script = try run.model.folder.write("script.sh", text.output)
            let (output, errors) = (run.model.folder.entry("o"), run.model.folder.entry("e"))
            let batch = try Launch(
                ["--wait", "--output=\(output)", "--error=\(errors)", script],
                script: "exec sbatch \"$@\"",
                environment: cluster.environment.merging(run.model.environment) { $1 })
            let submitted = finish(batch)
            #expect(submitted.ending == .exited(0), "\(submitted.errors)")
            let bytes = [UInt8](try Data(contentsOf: URL(filePath: output)))
            #expect(try withoutHost(bytes) == withoutHost(local.output))
        }

        /// Exit codes are those of a local run.
        private func expectFailures(of run: FarRun, on cluster: SlurmCluster) throws {
            for (options, code, word) in [
                (
                    ["--fault", "kill@token=3,layer=1,step=mlp,dimm=1", "--restarts", "0"],
                    75 as Int32,
                    "of DIMM 1 is gone"
                ),
                (["--worker-model", "/nowhere.gguf"], 65, "nowhere"),
            ] {
                let outcome = try finish(
                    cluster.launch(
                        run.arguments(launcher: "slurm", options),
                        environment: run.model.environment))
                #expect(outcome.ending == .exited(code), "\(options): \(outcome.errors)")
                #expect(outcome.errors.contains(word), "\(options): \(outcome.errors)")
            }
        }

        @Test func `A worker that hangs is replaced, and Ctrl-C leaves nothing`() throws {
            let cluster = try SlurmCluster()
            let run = try FarRun(hosts: Self.hosts, contextLength: 2048)
            let options = ["--tokens", "1500", "--stall-after", "0.5"]
            let hung = try cluster.launch(
                run.arguments(launcher: "slurm", options), environment: run.model.environment)
            hung.wait(for: "four workers") { hung.farWorkers.count == 4 }
            usleep(500_000)
            kill(try #require(hung.farWorkers.last), SIGSTOP)
            let found = try document(finish(hung))
            #expect(found.dimms.map(\.restarts).reduce(0, +) == 1)
            #expect(
                try document(run.local(["--tokens", "1500"])).generatedTokens
                    == found.generatedTokens)

            // As a terminal does: to salloc's command and all that it started.
            let stopped = try cluster.launch(
                run.arguments(launcher: "slurm", options), environment: run.model.environment)
            stopped.wait(for: "four workers") { stopped.farWorkers.count == 4 }
            let command = try #require(ProcessTable.children(of: stopped.identifier).first)
            kill(-getpgid(command.identifier), SIGINT)
            let outcome = finish(stopped)
            #expect(outcome.ending == .exited(130), "\(outcome.errors)")
            #expect(outcome.errors.contains("interrupted"))

            // The coordinator's end is noticed over the connection.
            let orphans = try cluster.launch(
                run.arguments(launcher: "slurm", options), environment: run.model.environment)
            orphans.wait(for: "four workers") { orphans.farWorkers.count == 4 }
            kill(
                try #require(ProcessTable.children(of: orphans.identifier).first).identifier,
                SIGKILL)
            _ = finish(orphans)
        }
    }
}

extension Launch {
    /// Workers anywhere on this machine that a launcher started for this run, in DIMM order.
    var farWorkers: [Int32] {
        ProcessTable.marked(mark).compactMap { identifier -> (dimm: String, identifier: Int32)? in
            let words = ProcessTable.arguments(of: identifier)
            guard words.count > 1, words[1] == "worker",
                let dimm = words.firstIndex(of: "--dimm")
            else { return nil }
            return (words[dimm + 1], identifier)
        }.sorted { $0.dimm < $1.dimm }.map(\.identifier)
    }
}
