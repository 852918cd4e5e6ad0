import ActivityTrace
import Foundation
import Glibc
import HostFacts
import Supervision

/// What violent ends left behind. Ours leave nothing: segments have no names, workers end with
/// their coordinator. What a debugger held back, an older program or a machine that lost power
/// left is found here, and removed only when told to.
struct Leftovers {
    /// Workers of this user whose coordinator is gone.
    var workers: [IdentifiedProcess] = []
    /// Segments that programs which name them left in /dev/shm, and files that were never
    /// completed; nobody has them open.
    var files: [String] = []

    /// - Parameter folders: where unfinished files are looked for, beside /dev/shm.
    static func found(in folders: [String]) -> Leftovers {
        let identifiers = names("/proc").compactMap { Int32($0) }.sorted()
        var leftovers = Leftovers()
        // Who it is comes before what it is: a number may belong to another process by then.
        leftovers.workers = identifiers.compactMap { IdentifiedProcess($0) }.filter {
            isAbandonedWorker($0.processIdentifier)
        }
        let candidates =
            names("/dev/shm").filter { $0.hasPrefix("hermes-") }.map { "/dev/shm/" + $0 }
            + Set(folders.map(resolved)).flatMap { folder in
                names(folder).filter(UnfinishedFile.isName).map { folder + "/" + $0 }
            }
        let own = candidates.filter(isOwn)
        if !own.isEmpty {
            let open = usedFiles(of: identifiers)
            leftovers.files = own.filter { !open.contains($0) }.sorted()
        }
        return leftovers
    }

    /// Ends the workers and deletes the files; returns what resisted, one line each.
    func remove() -> [String] {
        var refusals: [String] = []
        for worker in workers {
            do {
                try worker.kill()
            } catch {
                refusals.append("\(error)")
            }
        }
        for file in files where unsafe unlink(file) != 0 && errno != ENOENT {
            refusals.append("cannot remove \(file): \(unsafe String(cString: strerror(errno)))")
        }
        return refusals
    }

    // MARK: /proc

    /// A process of this user that runs `hermes worker`, started by a coordinator on this machine,
    /// with a parent that is no hermes (any more).
    private static func isAbandonedWorker(_ identifier: Int32) -> Bool {
        let words = arguments(of: identifier)
        guard isOwn("/proc/\(identifier)"), isHermes(identifier),
            words.dropFirst().first == "worker",
            // One without is a launcher's child: its coordinator is elsewhere.
            words.contains("--coordinator"),
            let parent = ProcessStatus(processIdentifier: identifier)?.parent, parent != 0
        else { return false }
        return !isHermes(parent)
    }

    /// Whether the program's file is called hermes; a build that was replaced is "(deleted)".
    private static func isHermes(_ identifier: Int32) -> Bool {
        let path = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(identifier)/exe")
        guard let name = path?.split(separator: "/").last else { return false }
        return name == "hermes" || name == "hermes (deleted)"
    }

    private static func arguments(of identifier: Int32) -> [String] {
        let bytes = FileManager.default.contents(atPath: "/proc/\(identifier)/cmdline") ?? Data()
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Files that a process has open or mapped, as the kernel names them.
    private static func usedFiles(of identifiers: [Int32]) -> Set<String> {
        Set(
            identifiers.flatMap { identifier in
                ["fd", "map_files"].flatMap { kind in
                    names("/proc/\(identifier)/\(kind)").compactMap {
                        try? FileManager.default.destinationOfSymbolicLink(
                            atPath: "/proc/\(identifier)/\(kind)/" + $0)
                    }
                }
            })
    }

    /// The folder's name as the kernel has it.
    private static func resolved(_ folder: String) -> String {
        URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
    }

    private static func isOwn(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_uid == getuid()
    }

    private static func names(_ folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }
}
