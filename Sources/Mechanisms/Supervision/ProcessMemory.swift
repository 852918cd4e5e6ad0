/// Memory of one process, summed over its mappings by the kernel.
///
/// Source: `/proc/PID/smaps_rollup`, proc(5). Reading it walks the page tables: for
/// summaries, not for loops.
package struct ProcessMemory: Equatable, Sendable {
    /// All pages present, shared ones in full.
    package let residentByteCount: Int
    /// As resident, each page divided by the number of processes that map it.
    package let proportionalByteCount: Int
    /// Written by this process alone: what it costs the machine, since it cannot be dropped.
    package let privateDirtyByteCount: Int
    package let privateCleanByteCount: Int
    package let sharedDirtyByteCount: Int
    package let sharedCleanByteCount: Int
    package let swapByteCount: Int
    /// Of anonymous memory, what lies in huge pages; 0 where the kernel counts none.
    package let anonymousHugeByteCount: Int
    /// In huge pages of the kernel's pool (hugetlbfs), which no other field counts.
    package let pooledHugeByteCount: Int
    /// Locked against being moved out; pages shared with others counted in part.
    package let lockedByteCount: Int

    /// Reads that of a process of the same user, such as an own child.
    ///
    /// - Throws: ``SupervisionError/read(path:cause:)``: no such process, ended, or not ours.
    package static func read(processIdentifier: Int32) throws(SupervisionError) -> ProcessMemory {
        let path = "/proc/\(processIdentifier)/smaps_rollup"
        return try ProcessMemory(rollup: readTextFile(path), path: path)
    }

    /// - Parameters:
    ///   - rollup: a text such as smaps_rollup holds; unknown lines are skipped.
    ///   - path: its file, for errors.
    package init(rollup: String, path: String) throws(SupervisionError) {
        var byteCounts: [Substring: Int] = [:]
        for line in rollup.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[2] == "kB", words[0].last == ":" else { continue }
            guard let kibibytes = Int(words[1]), kibibytes >= 0,
                case let (byteCount, overflow) = kibibytes.multipliedReportingOverflow(by: 1024),
                !overflow
            else { throw .malformed(path: path, rule: "\(words[0]) must be a count of kB") }
            byteCounts[words[0].dropLast()] = byteCount
        }
        func field(_ name: String) throws(SupervisionError) -> Int {
            guard let byteCount = byteCounts[Substring(name)] else {
                throw .malformed(path: path, rule: "\(name) is missing")
            }
            return byteCount
        }
        residentByteCount = try field("Rss")
        proportionalByteCount = try field("Pss")
        privateDirtyByteCount = try field("Private_Dirty")
        privateCleanByteCount = try field("Private_Clean")
        sharedDirtyByteCount = try field("Shared_Dirty")
        sharedCleanByteCount = try field("Shared_Clean")
        swapByteCount = try field("Swap")
        anonymousHugeByteCount = byteCounts["AnonHugePages"] ?? 0
        pooledHugeByteCount =
            (byteCounts["Private_Hugetlb"] ?? 0) + (byteCounts["Shared_Hugetlb"] ?? 0)
        lockedByteCount = byteCounts["Locked"] ?? 0
    }
}
