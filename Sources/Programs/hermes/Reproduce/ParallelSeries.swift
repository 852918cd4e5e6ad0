import Foundation
import Glibc
import Supervision
import SystemPackage

/// Processes of this program that share a series' emulations: whoever claims one first runs it, and
/// all keep their answers in the series' store.
final class SeriesHelpers {
    /// Where an emulation is claimed: a folder of its own for each series, so that no claim of one
    /// that was interrupted counts.
    let claims: SeriesClaims
    private var helpers: [WorkerProcess] = []
    /// This process's part of the cores, while the helpers have theirs.
    private var hold: CoreHold?

    /// Starts `count` helpers with the command line that this process has, each with its part of
    /// the cores.
    ///
    /// - Parameter folder: of the series' store.
    init(_ count: Int, folder: String) throws {
        claims = SeriesClaims(folder: "\(folder)/.claims-\(getpid())")
        // What a series with our process identifier left that was killed.
        try? FileManager.default.removeItem(atPath: claims.folder)
        try WholeFile.prepare(claims.folder + "/x")
        let arguments =
            CommandLine.arguments.dropFirst() + ["--share", "\(getpid()):\(claims.folder)"]
        do {
            let parts = CoreHold.parts(1 + count)
            for index in 0..<count {
                let hold = parts.isEmpty ? nil : CoreHold(cpus: parts[1 + index])
                helpers.append(
                    try withExtendedLifetime(hold) {
                        try WorkerProcess.start(
                            executable: try Locations.executable(),
                            arguments: Array(arguments))
                    })
            }
            hold = parts.first.flatMap { CoreHold(cpus: $0) }
        } catch let error as SupervisionError {
            throw Failure(.machineLacks, "cannot start a helper: \(error)")
        }
    }

    deinit {
        helpers.terminateAll(grace: .seconds(2))
        try? FileManager.default.removeItem(atPath: claims.folder)
    }

    /// Returns when no helper has anything left to do. What one that failed left is for the caller.
    func wait() throws {
        for helper in helpers {
            while helper.wait(upTo: .milliseconds(200)) == nil { try Interruption.check() }
        }
        hold = nil
    }
}

/// Who runs which emulation of a series.
struct SeriesClaims {
    let folder: String

    init(folder: String) { self.folder = folder }

    /// From `--share`: joins the series of the process that it names, and ends with it.
    init(joining share: String) throws {
        let parts = share.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let parent = Int32(parts[0]) else {
            throw Failure(.usage, "--share is malformed")
        }
        do {
            try ParentBond.join(expectedParent: parent)
        } catch {
            throw Failure(.machineLacks, "cannot tie the helper to its series: \(error)")
        }
        folder = String(parts[1])
    }

    /// Whether the caller is the first to ask for an emulation.
    func take(_ index: Int) throws -> Bool {
        do {
            let file = try unsafe FileDescriptor.open(
                "\(folder)/\(index)", .writeOnly, options: [.create, .exclusiveCreate],
                permissions: .ownerReadWrite)
            try file.close()
            return true
        } catch let error as Errno where error == .fileExists {
            return false
        } catch {
            throw Failure(.machineLacks, "cannot share emulations out in \(folder): \(error)")
        }
    }
}
