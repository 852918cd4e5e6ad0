package import NUMABinding

extension HostFacts.HugePages {
    /// Asks the kernel; what it refuses to tell stays `nil`.
    ///
    /// - Parameter root: prefix of `/proc` and `/sys`; empty except in tests.
    package static func current(
        machine: NUMAMachine = .current, root: String = ""
    ) -> HostFacts.HugePages {
        let files = KernelFiles(root: root)
        var pages = HostFacts.HugePages()
        // The chosen word stands in brackets: "always [madvise] never".
        pages.transparentMode = files.text("/sys/kernel/mm/transparent_hugepage/enabled")
            .flatMap { text in
                text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("[") }
                    .map { String($0.dropFirst().dropLast()) }
            }
        pages.reservedCount = files.field("HugePages_Total:", of: "/proc/meminfo")
            .flatMap { Int($0) }
        pages.freeCount = files.field("HugePages_Free:", of: "/proc/meminfo").flatMap { Int($0) }
        pages.pageByteCount = files.kibibytes("Hugepagesize:", of: "/proc/meminfo")
        guard let byteCount = pages.pageByteCount else { return pages }
        for node in machine.nodeNumbers {
            let folder = poolFolder(ofNode: node, pageByteCount: byteCount)
            guard let count = files.number(folder + "/nr_hugepages"),
                let free = files.number(folder + "/free_hugepages")
            else { continue }
            pages.pools[node] = Pool(pageCount: count, freeCount: free)
        }
        return pages
    }

    private static func poolFolder(ofNode node: Int, pageByteCount: Int) -> String {
        "/sys/devices/system/node/node\(node)/hugepages/hugepages-\(pageByteCount / 1024)kB"
    }

    /// Pages that memory of so many bytes takes, in as many mappings of its own.
    package func pageCount(forByteCount byteCount: Int, mappingCount: Int) -> Int? {
        pageByteCount.map { byteCount / $0 + mappingCount }
    }

    /// How root makes a node's pool hold so many free pages more than are taken.
    package func advice(node: Int?, freeCount: Int?) -> String {
        guard let pageByteCount, pageByteCount > 0 else {
            return "a kernel with CONFIG_HUGETLBFS"
        }
        let pool = node.flatMap { pools[$0] }
        let taken = pool.map { $0.pageCount - $0.freeCount } ?? 0
        let count = freeCount.map { String($0 + taken) } ?? "COUNT"
        let folder = Self.poolFolder(ofNode: node ?? 0, pageByteCount: pageByteCount)
        let path = node == nil ? folder.replacing("node0", with: "nodeN") : folder
        return "as root: echo \(count) > \(path)/nr_hugepages"
    }
}
