import Foundation

/// What /proc says about processes of the program.
enum ProcessTable {
    struct Entry {
        let identifier: Int32
        let arguments: [String]
    }

    /// The running children of a process, by identifier; zombies do not count.
    static func children(of parent: Int32) -> [Entry] {
        identifiers().filter { isRunning($0, childOf: parent) }.map {
            Entry(identifier: $0, arguments: arguments(of: $0))
        }
    }

    /// Running processes that have `mark` in their environment; zombies have none.
    static func marked(_ mark: String) -> [Int32] {
        let needle = Data(mark.utf8)
        return identifiers().filter { identifier in
            let path = "/proc/\(identifier)/environ"
            guard let content = FileManager.default.contents(atPath: path) else { return false }
            return content.range(of: needle) != nil
        }
    }

    /// The state letter of proc(5), nil when there is no such process.
    static func state(of identifier: Int32) -> String? {
        fields(of: identifier)?.first
    }

    /// Segments of the program that have a name in /dev/shm, where none stays.
    static func namedSegments() -> Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? []
        return Set(names.filter { $0.hasPrefix("hermes-") })
    }

    private static func identifiers() -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.sorted()
    }

    private static func isRunning(_ identifier: Int32, childOf parent: Int32) -> Bool {
        guard let fields = fields(of: identifier), fields.count > 1 else { return false }
        return fields[0] != "Z" && fields[1] == "\(parent)"
    }

    /// The fields of /proc/PID/stat from the state on; the name before may hold anything.
    private static func fields(of identifier: Int32) -> [String]? {
        guard let text = text("/proc/\(identifier)/stat"),
            let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(after: end)...].split(separator: " ").map { String($0) }
    }

    static func arguments(of identifier: Int32) -> [String] {
        (text("/proc/\(identifier)/cmdline") ?? "").split(separator: "\0").map { String($0) }
    }

    private static func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }
}
