import Foundation
import RingTransport
import Topology

/// How a run's workers are started and reached.
struct WorkerReach {
    var launcher = Launcher.local
    /// Where workers connect; `nil` where shared memory carries all messages.
    var rendezvous: Rendezvous?
    /// The program and the model on the other hosts; `nil` for the same paths as here.
    var programPath: String?
    var modelPath: String?

    /// All workers on this machine, over rings.
    static var sharedMemory: WorkerReach { WorkerReach() }

    /// Whether a worker of that host is a child of this process.
    func isNear(_ host: String?) -> Bool { launcher.isNear(host) }

    /// Throws exit 65 for a topology whose hosts the launcher cannot reach.
    func check(_ topology: Topology) throws {
        guard launcher == .local,
            let dimm = topology.dimms.first(where: { $0.hostName != nil })
        else { return }
        throw Failure(
            .badInput,
            "topology '\(topology.name)': DIMM \(dimm.index) is on host \(dimm.hostName ?? "");"
                + " only run --launcher ssh or slurm reaches it")
    }

    /// The command that starts a worker elsewhere, its program as PATH has it.
    func command(
        onHost host: String?, _ arguments: [String]
    ) throws -> (executable: String, arguments: [String]) {
        let program = try programPath ?? Locations.executable()
        switch launcher {
        case .local:
            return (program, arguments)
        case .ssh:
            // ssh hands one text to the shell of the other host. A connection that several share
            // would end with the worker that opened it.
            let words = ([program] + arguments).map { Self.quoted($0) }.joined(separator: " ")
            return (
                "ssh",
                ["-o", "BatchMode=yes", "-S", "none", "-T", host ?? "localhost", "exec " + words]
            )
        case .slurm:
            // A task for each DIMM; cores and memory are bound by the worker itself. What srun
            // says of its progress is no part of a run.
            return (
                "srun",
                ["--quiet", "--nodes=1", "--ntasks=1", "--overlap"]
                    + ["--cpu-bind=none", "--mem-bind=none"]
                    + (host.map { ["--nodelist=\($0)"] } ?? []) + [program] + arguments
            )
        }
    }

    /// As one word of a POSIX shell.
    static func quoted(_ word: String) -> String {
        let plain = word.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || Array("-_./:,=@%+".utf8).contains($0)
        }
        if plain, !word.isEmpty { return word }
        return "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}

extension WorkerFleet.Rings {
    /// The largest message on every transport, in bytes: how many neurons travel in one is the same
    /// everywhere.
    var messageLimit: Int {
        RingSegment.maximumMessageByteCount(capacityPerDirection: capacity)
    }

    /// Bytes of frames that may wait on a connection: a ring's, and neurons that pass through the
    /// coordinator on their way to all other DIMMs.
    func windowCapacity(dimmCount: Int) -> Int {
        let relayed = peers.isEmpty ? 0 : peerCapacity * max(1, dimmCount - 1)
        return RingSegment.capacity(
            forMessageByteCount: messageLimit, messageCount: 3 + relayed / max(1, messageLimit))
    }
}
