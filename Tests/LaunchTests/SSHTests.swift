import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// Four DIMMs on two hosts behind a real sshd. `Launch` looks for leftovers.
    @Suite(
        .enabled(if: TestLevel.current >= .ci, "runs from level ci on"),
        .enabled(if: SSHServer.isInstalled, SSHServer.reason))
    struct SSHTests {
        private func document(_ outcome: Outcome) throws -> TransportDocument {
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            return try TransportDocument(outcome.output)
        }

        @Test func `Runs on two hosts are local runs in all but their hosts`() throws {
            let server = try SSHServer()
            let run = try FarRun(hosts: SSHServer.hosts)
            let local = try run.local()
            let environment = server.environment.merging(run.model.environment) { $1 }
            for fault in [nil, "kill@token=3,layer=1,step=mlp,dimm=2"] {
                let far = try LaunchTests.start(
                    run.arguments(
                        launcher: "ssh",
                        ["--listen", "127.0.0.1:0"] + (fault.map { ["--fault", $0] } ?? [])),
                    environment: environment, within: .seconds(90))
                let found = try document(far)
                #expect(try found.generatedTokens == document(local).generatedTokens)
                #expect(found.dimms.map(\.restarts) == [0, 0, fault == nil ? 0 : 1, 0])
                #expect(found.dimms.map(\.host.transport) == Array(repeating: "tcp", count: 4))
                if fault == nil {
                    #expect(try withoutHost(local.output) == withoutHost(far.output))
                }
            }
        }

        @Test func `A worker that hangs is replaced, and Ctrl-C leaves nothing`() throws {
            let server = try SSHServer()
            let run = try FarRun(hosts: SSHServer.hosts, contextLength: 2048)
            let options = ["--tokens", "1500", "--listen", "127.0.0.1:0", "--stall-after", "0.5"]
            let environment = server.environment.merging(run.model.environment) { $1 }
            let hung = try Launch(
                run.arguments(launcher: "ssh", options), environment: environment)
            hung.wait(for: "four workers") { hung.farWorkers.count == 4 }
            usleep(500_000)
            let victim = try #require(hung.farWorkers.last)
            kill(victim, SIGSTOP)
            let found = try document(hung.finish(within: .seconds(90)))
            #expect(found.dimms.map(\.restarts).reduce(0, +) == 1)
            let local = try document(run.local(["--tokens", "1500"]))
            #expect(found.generatedTokens == local.generatedTokens)

            let stopped = try Launch(
                run.arguments(launcher: "ssh", options), environment: environment)
            stopped.wait(for: "four workers") { stopped.farWorkers.count == 4 }
            stopped.sendToGroup(SIGINT)
            let outcome = stopped.finish(within: .seconds(30))
            #expect(outcome.ending == .exited(130), "\(outcome.errors)")
        }
    }
}

/// A real sshd of this test's own on a port of the loopback, with keys of its own, and an `ssh`
/// that knows two of its names as hosts. It ends with its owner.
final class SSHServer {
    static let hosts = ["hermes-a", "hermes-b"]
    static let reason = Comment(
        "needs openssh-server, which launch/setup --with-ssh could not get here")
    private static let server = "/usr/sbin/sshd"
    private static let client = "/usr/bin/ssh"
    /// Where a server of root's takes the rights from the part that speaks with strangers.
    private static let emptyFolder = "/run/sshd"

    static var isInstalled: Bool {
        [server, client, "/usr/bin/ssh-keygen"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    private let folder: ScratchFolder
    private var daemon: SpawnedProcess?
    private var madeEmptyFolder = false

    /// With this, `ssh` is one that knows the hosts; the mark of a start travels with it.
    var environment: [String: String?] { ["PATH": "\(folder.path):/usr/bin:/bin"] }

    init() throws {
        folder = try ScratchFolder()
        let port = try LocalPorts.free(1)[0]
        for name in ["host", "user"] {
            let made = try Launch(
                ["-q", "-t", "ed25519", "-N", "", "-f", folder.entry(name)],
                script: "exec ssh-keygen \"$@\"")
            #expect(made.finish(within: .seconds(20)).ending == .exited(0))
        }
        _ = try folder.write(
            "sshd_config",
            """
            ListenAddress 127.0.0.1:\(port)
            HostKey \(folder.entry("host"))
            AuthorizedKeysFile \(folder.entry("user.pub"))
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password
            AcceptEnv HERMES_* XDG_CACHE_HOME

            """)
        _ = try folder.write(
            "ssh_config",
            """
            Host \(Self.hosts.joined(separator: " "))
                HostName 127.0.0.1
                Port \(port)
                User \(NSUserName())
                IdentityFile \(folder.entry("user"))
                IdentitiesOnly yes
                HostKeyAlias hermes
                UserKnownHostsFile \(folder.entry("known"))
                StrictHostKeyChecking accept-new
                LogLevel ERROR
                SendEnv HERMES_* XDG_CACHE_HOME

            """)
        let wrapper = try folder.write(
            "ssh", "#!/bin/bash\nexec \(Self.client) -F '\(folder.entry("ssh_config"))' \"$@\"\n")
        #expect(unsafe chmod(wrapper, 0o700) == 0)
        if getuid() == 0, !FileManager.default.fileExists(atPath: Self.emptyFolder) {
            madeEmptyFolder = unsafe mkdir(Self.emptyFolder, 0o755) == 0
        }
        daemon = try SpawnedProcess(
            command: [Self.server, "-D", "-e", "-f", folder.entry("sshd_config")],
            environment: ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" },
            input: "/dev/null", output: folder.entry("output"), errors: folder.entry("errors"))
        for _ in 0..<100 {
            let trial = try Launch(
                ["-o", "BatchMode=yes", Self.hosts[0], "true"], script: "exec ssh \"$@\"",
                environment: environment)
            if trial.finish(within: .seconds(20)).ending == .exited(0) { return }
            usleep(50_000)
        }
        let said = try String(contentsOfFile: folder.entry("errors"), encoding: .utf8)
        throw SlurmCluster.Failure(text: "sshd lets nobody in: \(said)")
    }

    deinit {
        daemon?.send(SIGTERM)
        usleep(100_000)
        _ = daemon?.kill()
        if madeEmptyFolder { _ = unsafe rmdir(Self.emptyFolder) }
    }
}
