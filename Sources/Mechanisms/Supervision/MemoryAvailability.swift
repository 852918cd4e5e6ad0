internal import Glibc

/// How much more memory this process can take now, and what sets the limit: asked before a model
/// is loaded, since memory that runs out later ends the process without a word.
package struct MemoryAvailability: Equatable, Sendable, CustomStringConvertible {
    /// What would run out first.
    package enum Limit: Equatable, Sendable {
        /// The machine's memory.
        case machine
        /// The memory limit of this control group.
        case controlGroup(directory: String)
        /// RLIMIT_AS (`ulimit -v`); counts mappings of files too.
        case addressSpace
    }

    package let availableByteCount: Int
    package let limit: Limit

    /// Such as "1048576 bytes available (control group /sys/fs/cgroup/job)".
    package var description: String {
        let what =
            switch limit {
            case .machine: "the machine's memory"
            case .controlGroup(let directory): "control group \(directory)"
            case .addressSpace: "address space limit, ulimit -v"
            }
        return "\(availableByteCount) bytes available (\(what))"
    }

    /// What holds for this process now. Page cache counts as available, swap does not.
    ///
    /// - Parameter root: prefix of `/proc` and of the control groups; empty except in tests.
    /// - Throws: `/proc/meminfo` or `/proc/self/statm` missing or malformed.
    package static func current(root: String = "") throws(SupervisionError) -> MemoryAvailability {
        var tightest = try machine(root: root)
        if let group = ControlGroup.current(controller: "memory", root: root) {
            for directory in group.directories {
                let room = controlGroupRoom(in: root + directory, version: group.version)
                guard let room, room < tightest.availableByteCount else { continue }
                tightest = MemoryAvailability(
                    availableByteCount: room, limit: .controlGroup(directory: directory))
            }
        }
        if let limit = addressSpaceLimit() {
            let room = max(0, limit - (try addressSpaceInUse(root: root)))
            if room < tightest.availableByteCount {
                tightest = MemoryAvailability(availableByteCount: room, limit: .addressSpace)
            }
        }
        return tightest
    }

    private static func machine(root: String) throws(SupervisionError) -> MemoryAvailability {
        let path = root + "/proc/meminfo"
        let text = try readTextFile(path)
        guard let kibibytes = value(after: "MemAvailable:", in: text), kibibytes >= 0,
            case let (byteCount, overflow) = kibibytes.multipliedReportingOverflow(by: 1024),
            !overflow
        else { throw .malformed(path: path, rule: "MemAvailable must be a count of kB") }
        return MemoryAvailability(availableByteCount: byteCount, limit: .machine)
    }

    /// Limit less use; page cache is given back under pressure, so it does not count as use.
    private static func controlGroupRoom(
        in directory: String, version: ControlGroup.Version
    ) -> Int? {
        let (limitFile, useFile, prefix) =
            switch version {
            case .two: ("/memory.max", "/memory.current", "")
            case .one: ("/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_")
            }
        guard let limit = controlWords(directory + limitFile)?.first.flatMap({ Int($0) }),
            let use = controlWords(directory + useFile)?.first.flatMap({ Int($0) }),
            limit >= 0, use >= 0
        else { return nil }
        let statistics = (try? readTextFile(directory + "/memory.stat")) ?? ""
        let cached = ["inactive_file", "active_file"].reduce(0) { sum, key in
            sum + min(use, max(0, value(after: prefix + key, in: statistics) ?? 0))
        }
        return max(0, limit - max(0, use - cached))
    }

    private static func addressSpaceInUse(root: String) throws(SupervisionError) -> Int {
        let path = root + "/proc/self/statm"
        let words = try readTextFile(path).split(separator: " ")
        guard let pageCount = words.first.flatMap({ Int($0) }), pageCount >= 0,
            case let (byteCount, overflow) =
                pageCount.multipliedReportingOverflow(by: sysconf(Int32(_SC_PAGESIZE))), !overflow
        else { throw .malformed(path: path, rule: "the first number must be a page count") }
        return byteCount
    }
}
