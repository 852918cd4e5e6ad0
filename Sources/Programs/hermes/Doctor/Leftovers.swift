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
        leftovers.workers = identifiers.filter(isAbandonedWorker).compactMap {
            IdentifiedProcess($0)
        }
        let candidates =
            names("/dev/shm").filter { $0.hasPrefix("hermes-") }.map { "/dev/shm/" + $0 }
            + folders.flatMap { folder in
                names(folder).filter { $0.hasPrefix(".") && $0.hasSuffix(".partial") }
                    .map { folder + "/" + $0 }
            }
        let own = candidates.filter(isOwn)
        if !own.isEmpty {
            let open = openFiles(of: identifiers)
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
            // One that has a coordinator elsewhere is a launcher's child, and ends with the link.
            !words.contains("--connect"),
            let parent = parent(of: identifier), parent != 0
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

    /// The second field behind the program's name, which may itself hold blanks; proc(5).
    private static func parent(of identifier: Int32) -> Int32? {
        let bytes = FileManager.default.contents(atPath: "/proc/\(identifier)/stat") ?? Data()
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 1 ? Int32(fields[1]) : nil
    }

    private static func openFiles(of identifiers: [Int32]) -> Set<String> {
        Set(
            identifiers.flatMap { identifier in
                names("/proc/\(identifier)/fd").compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(
                        atPath: "/proc/\(identifier)/fd/" + $0)
                }
            })
    }

    private static func isOwn(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_uid == getuid()
    }

    private static func names(_ folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    }
}
