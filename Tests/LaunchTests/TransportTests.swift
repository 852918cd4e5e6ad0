import Foundation
import Glibc
import RDMAConnections
import Testing

extension LaunchTests {
    /// Workers that are reached over sockets: nothing but transport and host differs from a
    /// run over
    /// shared memory. `Launch` looks for leftovers.
    @Suite struct TransportTests {
        private static let tcp = ["--transport", "tcp"]

        private func document(_ outcome: Outcome) throws -> TransportDocument {
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            return try TransportDocument(outcome.output)
        }

        @Test func `A run over TCP gives the bytes of one over shared memory`() throws {
            let model = try TinyModelFile()
            let options = ["--topology", "4-dimm", "--json", "-"]
            let local = try model.run(options)
            let remote = try model.run(options + Self.tcp)
            #expect(remote.ending == .exited(0), "\(remote.errors)")
            #expect(try withoutHost(local.output) == withoutHost(remote.output))
            #expect(
                try document(local).dimms.map(\.host.transport)
                    == Array(repeating: "shared-memory", count: 4))
            let found = try document(remote)
            #expect(found.dimms.map(\.host.transport) == Array(repeating: "tcp", count: 4))
            #expect(Set(found.dimms.map(\.host.hostName)) == [Self.hostName])
        }

        @Test func `Neurons move by way of the coordinator, and the bytes are the same`() throws {
            let options = [
                "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                "The library provides", "--tokens", "40", "--topology", "4-dimm", "--json", "-",
                "--policy.rebalance", "lpt", "--policy.adjustment", "on",
            ]
            let local = try LaunchTests.start(options)
            let remote = try LaunchTests.start(options + Self.tcp)
            #expect(try document(local).migrations.remaps > 0)
            #expect(try document(remote).migrations.abortedRemaps == 0)
            #expect(try withoutHost(local.output) == withoutHost(remote.output))
        }

        @Test(arguments: [
            "kill", "half-written", "corrupt-header", "stop", "skip-sequence@side=request",
        ])
        func `A worker that is lost is replaced, and the tokens stay`(fault: String) throws {
            let model = try TinyModelFile()
            let options =
                [
                    "--topology", "4-dimm", "--restarts", "4", "--stall-after", "0.4", "--json",
                    "-",
                ] + Self.tcp
            let expected = try document(model.run(options))
            let place = fault.contains("@") ? "," : "@"
            let found = try document(
                model.run(
                    options + ["--fault", "\(fault)\(place)token=3,layer=1,step=mlp,dimm=2"]))
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(found.dimms.map(\.restarts) == [0, 0, 1, 0])
        }

        @Test(arguments: ["corrupt-payload@side=answer", "corrupt-payload@side=request"])
        func `A damaged message is sent again`(fault: String) throws {
            let model = try TinyModelFile()
            let options = ["--topology", "4-dimm", "--json", "-"] + Self.tcp
            let expected = try document(model.run(options))
            let found = try document(
                model.run(options + ["--fault", "\(fault),token=2,layer=0,step=mlp,dimm=0"]))
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(found.recoveries.map(\.remedy) == ["repetition"])
            #expect(found.dimms.map(\.restarts) == [0, 0, 0, 0])
        }

        @Test func `Workers that are lost while neurons move are replaced`() throws {
            let options =
                [
                    "run", "--model", ReLUModel.path, "--raw", "--ignore-eos", "--prompt",
                    "The library provides", "--tokens", "40", "--topology", "4-dimm", "--json",
                    "-", "--policy.rebalance", "lpt", "--policy.adjustment", "on", "--restarts",
                    "12",
                ] + Self.tcp
            let expected = try document(LaunchTests.start(options))
            let found = try document(
                LaunchTests.start(
                    options + ["--seed", "1", "--fault", "kill*4", "--fault", "kill@step=move"]))
            #expect(found.generatedTokens == expected.generatedTokens)
            #expect(found.dimms.map(\.restarts).reduce(0, +) >= 3)
        }

        @Test func `A worker that dies by another's hand is replaced`() throws {
            let model = try TinyModelFile(contextLength: 2048)
            let options =
                ["--topology", "4-dimm", "--tokens", "1500", "--restarts", "2", "--json", "-"]
                + Self.tcp
            let launch = try model.launch(options)
            launch.wait(for: "four workers") { launch.workers.count == 4 }
            usleep(200_000)
            if let victim = launch.workers.last { kill(victim.identifier, SIGKILL) }
            let found = try document(launch.finish(within: .seconds(60)))
            #expect(found.dimms.map(\.restarts).reduce(0, +) == 1)
            #expect(
                try document(model.run(options)).generatedTokens == found.generatedTokens)
        }

        @Test func `A killed coordinator takes its workers along`() throws {
            let outcome = try TinyModelFile().run(
                [
                    "--topology", "4-dimm", "--fault",
                    "kill-coordinator@token=2,layer=0,step=mlp,dimm=1",
                ] + Self.tcp)
            #expect(outcome.ending == .killed(signal: SIGKILL))
        }

        // MARK: Launchers

        /// Stands in for a launcher's program: takes its options and runs the rest here.
        private func launcher(_ name: String, _ script: String, in folder: ScratchFolder) throws {
            let path = try folder.write(name, Array("#!/bin/bash\n\(script)\n".utf8))
            #expect(unsafe chmod(path, 0o700) == 0)
        }

        private func secret(in folder: ScratchFolder) throws -> String {
            let path = try folder.write("secret", (0..<32).map { _ in UInt8.random(in: 0...255) })
            #expect(unsafe chmod(path, 0o600) == 0)
            return path
        }

        /// DIMMs 0 and 1 here, 2 on `node2`, 3 on `node3`.
        private static let hosts = [
            "--set", "dimm_overrides.2.host=node2", "--set", "dimm_overrides.3.host=node3",
        ]

        @Test(arguments: ["ssh", "slurm"])
        func `Workers that a launcher starts give the tokens of a local run`(
            name: String
        ) throws {
            let model = try TinyModelFile()
            let local = try document(model.run(["--topology", "4-dimm", "--json", "-"]))
            // Each says on which host it was asked for, so that what was asked can be seen.
            try launcher(
                "ssh", #"echo "ssh ${@: -2:1}" >> "${0%/*}/hosts"; exec bash -c "${@: -1}""#,
                in: model.folder)
            try launcher(
                "srun",
                #"""
                while [[ "$1" == --* ]]; do
                    [[ "$1" != --nodelist=* ]] || echo "srun ${1#*=}" >> "${0%/*}/hosts"
                    shift
                done
                exec "$@"
                """#, in: model.folder)
            let path = model.folder.entry("")
            let outcome = try LaunchTests.start(
                model.arguments(
                    ["--topology", "4-dimm", "--json", "-", "--launcher", name] + Self.hosts + [
                        "--secret-file", secret(in: model.folder), "--listen", "127.0.0.1:0",
                        "--fault", "kill@token=3,layer=1,step=mlp,dimm=3",
                    ]),
                environment: [
                    "XDG_CACHE_HOME": model.folder.entry("cache"),
                    "PATH": "\(path):/usr/bin:/bin", "SLURM_JOB_ID": "1",
                ], within: .seconds(60))
            let found = try document(outcome)
            #expect(found.generatedTokens == local.generatedTokens)
            #expect(found.dimms.map(\.restarts) == [0, 0, 0, 1])
            #expect(found.dimms.map(\.host.transport) == Array(repeating: "tcp", count: 4))
            let asked = try String(contentsOfFile: model.folder.entry("hosts"), encoding: .utf8)
            let program = name == "ssh" ? "ssh" : "srun"
            #expect(
                asked.split(separator: "\n").sorted()
                    == ["\(program) node2", "\(program) node3", "\(program) node3"])
        }

        @Test func `A dry run prints the commands and starts nothing`() throws {
            let model = try TinyModelFile()
            let options =
                ["--topology", "4-dimm", "--dry-run", "--launcher", "slurm"] + Self.hosts + [
                    "--secret-file", try secret(in: model.folder), "--listen", "127.0.0.1:0",
                ]
            let script = try LaunchTests.start(
                model.arguments(options),
                environment: [
                    "XDG_CACHE_HOME": model.folder.entry("cache"), "SLURM_JOB_ID": nil,
                ])
            #expect(script.ending == .exited(0), "\(script.errors)")
            #expect(script.text.hasPrefix("#!/bin/bash\n#SBATCH"))
            #expect(script.text.contains("#SBATCH --nodelist=node2,node3"))
            #expect(script.text.contains("# srun --quiet --nodes=1"))
            #expect(!script.text.contains("--dry-run"))
            // Nobody listens, and no file was hashed: neither port nor checksum can be known.
            #expect(script.text.contains("--connect 127.0.0.1:PORT "))
            #expect(script.text.contains("--model-sha256 SHA256"))
            #expect(model.folder.files(under: "cache").isEmpty)
        }

        @Test func `Ctrl-C does not wait for strangers that say nothing`() throws {
            let model = try TinyModelFile()
            let port = try LocalPorts.free(1)[0]
            // Workers that never come.
            try launcher("ssh", "exec sleep 60", in: model.folder)
            let launch = try Launch(
                model.arguments(
                    ["--topology", "4-dimm", "--launcher", "ssh"] + Self.hosts + [
                        "--secret-file", secret(in: model.folder), "--listen",
                        "127.0.0.1:\(port)", "--restarts", "0",
                    ]),
                environment: [
                    "XDG_CACHE_HOME": model.folder.entry("cache"),
                    "PATH": "\(model.folder.path):/usr/bin:/bin",
                ])
            var strangers: [Int32] = []
            defer { for stranger in strangers { close(stranger) } }
            launch.wait(for: "a connection") {
                LocalPorts.connect(to: port).map { strangers.append($0) } != nil
            }
            for _ in 0..<3 { LocalPorts.connect(to: port).map { strangers.append($0) } }
            usleep(200_000)
            launch.send(SIGINT)
            // Four strangers would once have cost five seconds each.
            #expect(launch.finish(within: .seconds(4)).ending == .exited(130))
        }

        // MARK: Refusals

        @Test func `What cannot be launched is refused with the reason`() throws {
            let model = try TinyModelFile()
            for (options, code, word) in [
                (["--launcher", "ssh"], 64 as Int32, "--secret-file"),
                (["--launcher", "ssh", "--transport", "shared-memory"], 64, "shared-memory"),
                (["--transport", "tcp", "--listen", "nowhere"], 64, "HOST:PORT"),
                (Self.hosts, 65, "host node2"),
                (["--set", "dimm_overrides.1.host=-oProxyCommand"], 65, "no host name"),
                (
                    [
                        "--launcher", "slurm", "--secret-file", try secret(in: model.folder),
                        "--clock", "paced",
                    ], 64, "wall clock"
                ),
            ] {
                let outcome = try LaunchTests.start(
                    model.arguments(["--topology", "4-dimm"] + options),
                    environment: model.environment.merging(["SLURM_JOB_ID": nil]) { $1 })
                #expect(outcome.ending == .exited(code), "\(options): \(outcome.errors)")
                #expect(outcome.errors.contains(word), "\(options): \(outcome.errors)")
            }
        }

        @Test(.enabled(if: !RDMADevices.arePresent, "a machine without an RDMA device"))
        func `A machine without an RDMA device says so`() throws {
            let outcome = try TinyModelFile().run(["--topology", "4-dimm", "--transport", "rdma"])
            #expect(outcome.ending == .exited(69), "\(outcome.errors)")
            #expect(outcome.errors.contains("no RDMA device"), "\(outcome.errors)")
        }

        private static var hostName: String { ProcessInfo.processInfo.hostName }
    }
}

/// What `run --json` says of transports.
struct TransportDocument: Decodable {
    struct DIMM: Decodable {
        struct Host: Decodable {
            let transport: String
            let hostName: String
        }

        let restarts: Int
        let host: Host
    }

    struct Migrations: Decodable {
        let remaps: Int
        let abortedRemaps: Int
    }

    struct Recovery: Decodable { let remedy: String }

    let generatedTokens: [Int]
    let recoveries: [Recovery]
    let dimms: [DIMM]
    let migrations: Migrations

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(TransportDocument.self, from: Data(bytes))
    }
}
