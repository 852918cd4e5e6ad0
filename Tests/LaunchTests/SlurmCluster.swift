import Foundation
import Glibc
import Testing

/// A real Slurm of this test's own: munged, slurmctld and a slurmd for each of the nodes n1 and n2,
/// which share this machine. Its ports, keys and state are its own; it ends with its owner.
final class SlurmCluster {
    static let reason = Comment(
        "needs Slurm and munge, which launch/setup --with-slurm could not get here")

    private static let programs = ["munged", "slurmctld", "slurmd", "salloc", "sbatch", "sbcast"]

    static var isInstalled: Bool { programs.allSatisfy { path(of: $0) != nil } }

    private static func path(of program: String) -> String? {
        ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"].map { $0 + program }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private let folder: ScratchFolder
    /// In the order in which they were started.
    private var daemons: [SpawnedProcess] = []

    /// What a client of this cluster has in its environment.
    var environment: [String: String?] {
        ["SLURM_CONF": folder.entry("slurm.conf"), "SLURM_JOB_ID": nil]
    }

    init() throws {
        folder = try ScratchFolder()
        try writeFiles()
        try start(
            "munged",
            [
                "--foreground", "--force", "--num-threads=2",
                "--socket=" + folder.entry("munge.socket"),
                "--key-file=" + folder.entry("munge.key"),
                "--pid-file=" + folder.entry("munge.pid"),
                "--log-file=" + folder.entry("munge.log"),
                "--seed-file=" + folder.entry("munge.seed"),
            ])
        try wait(for: "munged's socket") {
            FileManager.default.fileExists(atPath: folder.entry("munge.socket"))
        }
        try start("slurmctld", ["-D", "-f", folder.entry("slurm.conf")])
        for node in ["n1", "n2"] {
            try start("slurmd", ["-D", "-N", node, "-f", folder.entry("slurm.conf")])
        }
        try wait(for: "two idle nodes") {
            let answer = try? client("sinfo", ["--noheader", "--format=%D %T"])
            return answer?.contains("2 idle") == true
        }
    }

    deinit {
        // The controller last of Slurm's, munged last of all; in time, each ends by itself.
        for daemon in daemons.reversed() {
            daemon.send(SIGTERM)
            var tries = 0
            while daemon.ending() == nil, tries < 500 {
                usleep(10_000)
                tries += 1
            }
            _ = daemon.kill()
        }
    }

    private func writeFiles() throws {
        let host = ProcessInfo.processInfo.hostName
        let user = NSUserName()
        let ports = try LocalPorts.free(3)
        for name in ["state", "n1", "n2"] {
            try FileManager.default.createDirectory(
                atPath: folder.entry(name), withIntermediateDirectories: true)
        }
        let key = try folder.write("munge.key", (0..<64).map { _ in UInt8.random(in: 0...255) })
        #expect(unsafe chmod(key, 0o400) == 0)
        // Of the plug-ins for control groups only this one needs neither D-Bus nor any group.
        _ = try folder.write("cgroup.conf", "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        // More processors than there are: a task for each DIMM has its own in Slurm's books.
        _ = try folder.write(
            "slurm.conf",
            """
            ClusterName=hermes
            SlurmctldHost=\(host)(127.0.0.1)
            SlurmctldPort=\(ports[0])
            SlurmUser=\(user)
            SlurmdUser=\(user)
            AuthType=auth/munge
            AuthInfo=socket=\(folder.entry("munge.socket"))
            StateSaveLocation=\(folder.entry("state"))
            SlurmdSpoolDir=\(folder.path)/%n
            SlurmctldPidFile=\(folder.entry("slurmctld.pid"))
            SlurmdPidFile=\(folder.path)/slurmd.%n.pid
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_CPU_Memory
            DefMemPerCPU=100
            SlurmdParameters=config_overrides
            MpiDefault=none
            ReturnToService=2
            KillWait=2
            NodeName=n1 NodeHostname=\(host) NodeAddr=127.0.0.1 Port=\(ports[1]) CPUs=8 \
            RealMemory=1000
            NodeName=n2 NodeHostname=\(host) NodeAddr=127.0.0.1 Port=\(ports[2]) CPUs=8 \
            RealMemory=1000
            PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP

            """)
    }

    private func start(_ program: String, _ arguments: [String]) throws {
        let path = try #require(Self.path(of: program))
        let variables = ProcessInfo.processInfo.environment
            .merging(environment.compactMapValues { $0 }) { $1 }
        daemons.append(
            try SpawnedProcess(
                command: [path] + arguments,
                environment: variables.map { "\($0.key)=\($0.value)" }, input: "/dev/null",
                output: folder.entry("\(daemons.count).\(program).output"),
                errors: folder.entry("\(daemons.count).\(program).errors")))
    }

    private func wait(for what: String, until condition: () throws -> Bool) throws {
        for _ in 0..<300 {
            if try condition() { return }
            usleep(100_000)
        }
        throw Failure(text: "waited in vain for \(what): \(said)")
    }

    /// What the daemons said last.
    private var said: String {
        folder.files(under: "").filter { $0.hasSuffix(".errors") }.map { name in
            let text = (try? String(contentsOfFile: folder.entry(name), encoding: .utf8)) ?? ""
            return "\n\(name):\n" + text.split(separator: "\n").suffix(8).joined(separator: "\n")
        }.joined()
    }

    /// What a client prints.
    func client(_ program: String, _ arguments: [String]) throws -> String {
        let path = try #require(Self.path(of: program))
        let launch = try Launch(
            arguments, script: "exec '\(path)' \"$@\"", environment: environment)
        return launch.finish(within: .seconds(30)).text
    }

    /// Starts the program within an allocation of both nodes, four tasks; what it leaves behind on
    /// either is found as with any other start.
    func launch(
        _ arguments: [String], before: String = "", environment: [String: String?]
    ) throws -> Launch {
        let salloc = try #require(Self.path(of: "salloc"))
        let prologue = before.isEmpty ? "" : "/bin/bash -c '\(before); exec \"$0\" \"$@\"' "
        return try Launch(
            arguments,
            script: "exec \(salloc) --quiet --nodes=2 --ntasks=4 \(prologue)\"$0\" \"$@\"",
            environment: self.environment.merging(environment) { $1 })
    }

    struct Failure: Error, CustomStringConvertible {
        let text: String
        var description: String { text }
    }
}
