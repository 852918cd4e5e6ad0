import ArgumentParser
import ConnectionProtocol
import Foundation
import Topology

/// `--launcher`: who starts the workers' processes.
enum Launcher: String, ExpressibleByArgument, CaseIterable {
    case local, ssh, slurm

    /// Whether a worker of that host is a child of this process.
    func isNear(_ host: String?) -> Bool {
        switch self {
        case .local: true
        case .ssh: host == nil
        case .slurm: false
        }
    }

    /// DIMMs whose workers take nothing of this machine.
    func farDIMMs(of topology: Topology) -> Set<Int> {
        Set(topology.dimms.filter { !isNear($0.hostName) }.map(\.index))
    }
}

/// `--transport`: what carries the messages between coordinator and workers.
enum TransportChoice: String, ExpressibleByArgument, CaseIterable {
    case sharedMemory = "shared-memory"
    case tcp
    case rdma
}

/// Where workers run, and how they are reached.
struct LaunchOptions: ParsableArguments {
    @Option(
        help: """
            Who starts the workers: local (this machine), ssh (on the hosts that the topology \
            names) or slurm (srun, within an allocation).
            """)
    var launcher = Launcher.local

    @Option(
        help: """
            What carries messages: shared-memory, tcp or rdma (default: shared-memory for local \
            workers, tcp for others). rdma needs an RDMA device on every host.
            """)
    var transport: TransportChoice?

    @Option(
        help: """
            HOST:PORT at which workers on other hosts reach this process (default: all \
            interfaces under this host's name, any port; 127.0.0.1 for local workers).
            """)
    var listen: String?

    @Option(
        help: """
            File of mode 600, at the same path on all hosts, that holds what coordinator and \
            workers know and nobody else: needed by --launcher ssh and slurm.
            """)
    var secretFile: String?

    @Option(help: "Path of hermes on the other hosts (default: that of this program).")
    var workerProgram: String?

    @Option(help: "Path of the model on the other hosts (default: as here).")
    var workerModel: String?

    @Option(help: "Seconds that workers may take to connect.")
    var connectTimeout = 60.0

    @Flag(help: "Print the commands that would start the workers, and run nothing.")
    var dryRun = false

    func validate() throws {
        guard launcher == .local || transport != .sharedMemory else {
            throw ValidationError("--transport shared-memory needs --launcher local")
        }
        guard launcher == .local || secretFile != nil else {
            throw ValidationError(
                "--launcher \(launcher.rawValue) needs --secret-file; to make one: "
                    + "(umask 077; head -c 32 /dev/urandom > FILE)")
        }
        guard launcher != .local || (workerProgram == nil && workerModel == nil) else {
            throw ValidationError(
                "--worker-program and --worker-model need --launcher ssh or slurm")
        }
        guard connectTimeout > 0, connectTimeout <= 86_400 else {
            throw ValidationError("--connect-timeout must lie between 0 and 86400 seconds")
        }
        guard usesConnections || (!dryRun && listen == nil && secretFile == nil) else {
            throw ValidationError(
                "--listen, --secret-file and --dry-run need --transport tcp or rdma")
        }
        if let listen {
            do {
                _ = try ConnectionAddress(listen)
            } catch {
                throw ValidationError("--listen: \(error)")
            }
        }
    }

    /// What carries messages between this process and its workers.
    var carrier: TransportChoice {
        if let transport, transport != .sharedMemory { return transport }
        return launcher == .local ? .sharedMemory : .tcp
    }

    /// Whether workers connect to this process, instead of sharing memory with it.
    var usesConnections: Bool { carrier != .sharedMemory }

    /// Whether the address is an RDMA device's own: the loopback interface has none.
    private var choosesDevice: Bool {
        carrier == .rdma && launcher == .local && listen == nil
    }

    /// How workers would be started; nobody waits for them.
    var plannedReach: WorkerReach {
        var reach = WorkerReach()
        reach.launcher = launcher
        reach.programPath = workerProgram
        reach.modelPath = workerModel.map(Self.absolute)
        return reach
    }

    /// What workers would be told. The port is known once somebody listens.
    func plannedContact() throws -> WorkerContact {
        guard !choosesDevice else {
            return WorkerContact(
                address: "ADDRESS:PORT", transport: .rdma,
                secretPath: secretFile.map(Self.absolute), process: "PID")
        }
        let address = try address()
        let host = Rendezvous.hostForWorkers(address.host)
        let known = ConnectionAddress(host: host, port: address.port)
        return WorkerContact(
            address: address.port == 0 ? "\(known)".dropLast() + "PORT" : "\(known)",
            transport: carrier,
            secretPath: secretFile.map(Self.absolute), process: "PID")
    }

    /// Opens what workers connect to, if they do; throws exit 69 outside an allocation of Slurm's.
    func reach() throws -> WorkerReach {
        var reach = plannedReach
        guard usesConnections else { return reach }
        if launcher == .slurm { try checkAllocation() }
        reach.rendezvous = try Rendezvous.open(
            carrier, at: choosesDevice ? nil : try address(),
            secretPath: secretFile.map(Self.absolute),
            patience: .milliseconds(Int64(1000 * connectTimeout)))
        return reach
    }

    /// The commands; outside an allocation of Slurm's, within a script for sbatch that makes one.
    func text(of commands: [String], for topology: Topology) -> String {
        let environment = ProcessInfo.processInfo.environment
        guard launcher == .slurm, environment["SLURM_JOB_ID"] == nil else {
            return commands.joined(separator: "\n") + "\n"
        }
        let hosts = Set(topology.dimms.compactMap(\.hostName)).sorted()
        let own = CommandLine.arguments.filter { $0 != "--dry-run" }
        let list =
            hosts.isEmpty ? "" : "#SBATCH --nodelist=\(hosts.joined(separator: ","))\n"
        return """
            #!/bin/bash
            #SBATCH --job-name=hermes
            #SBATCH --nodes=\(max(1, hosts.count))
            #SBATCH --ntasks=\(commands.count)
            \(list)exec \(own.map { WorkerReach.quoted($0) }.joined(separator: " "))
            # which starts, in the allocation, with sessions, port and checksum of its own:
            \(commands.map { "# " + $0 }.joined(separator: "\n"))

            """
    }

    /// A worker elsewhere starts in another folder.
    static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }

    private func address() throws -> ConnectionAddress {
        guard let listen else {
            let host = launcher == .local ? "127.0.0.1" : Rendezvous.allInterfaces
            return ConnectionAddress(host: host, port: 0)
        }
        do {
            return try ConnectionAddress(listen)
        } catch {
            throw Failure(.usage, "--listen: \(error)")
        }
    }

    private func checkAllocation() throws {
        guard ProcessInfo.processInfo.environment["SLURM_JOB_ID"] == nil else { return }
        throw Failure(
            .machineLacks,
            "--launcher slurm runs within an allocation: start it by salloc or sbatch; "
                + "--dry-run prints a script for sbatch")
    }
}
