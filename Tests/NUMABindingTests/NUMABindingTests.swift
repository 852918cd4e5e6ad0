import CTestConditions
import Glibc
import NUMABinding
import SystemPackage
import Testing

/// Anonymous private memory, never touched until the test does; unmapped at the end.
@safe
private struct Pages: ~Copyable {
    private let start: UnsafeMutableRawPointer
    let byteCount: Int
    static let pageByteCount = sysconf(Int32(_SC_PAGESIZE))

    init(count: Int) throws {
        byteCount = count * Pages.pageByteCount
        let mapped = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            throw Errno.noMemory
        }
        // A huge page would touch its neighbours.
        unsafe madvise(mapped, byteCount, MADV_NOHUGEPAGE)
        unsafe start = unsafe mapped
    }

    deinit { unsafe munmap(start, byteCount) }

    /// - Parameter range: bytes; all when nil.
    func withBytes<Failure: Error, Result>(
        _ range: Range<Int>? = nil, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let range = range ?? 0..<byteCount
        return try body(
            unsafe RawSpan(_unsafeStart: start + range.lowerBound, byteCount: range.count))
    }

    func placement(_ range: Range<Int>? = nil) throws(NUMABindingError) -> PagePlacement {
        try withBytes(range) { bytes throws(NUMABindingError) in
            try NUMABinding.pagePlacement(of: bytes)
        }
    }

    func bind(
        _ range: Range<Int>? = nil, to policy: MemoryPolicy
    ) throws(NUMABindingError) {
        try withBytes(range) { bytes throws(NUMABindingError) in
            try NUMABinding.setMemoryPolicy(policy, of: bytes)
        }
    }

    func write(page: Int) {
        unsafe start.storeBytes(of: 1, toByteOffset: page * Pages.pageByteCount, as: UInt8.self)
    }

    func read(page: Int) -> UInt8 {
        unsafe start.load(fromByteOffset: page * Pages.pageByteCount, as: UInt8.self)
    }
}

/// What binds runs in a process of its own, so that no other test's thread is bound.
@Suite struct NUMABindingTests {
    @Test func `Binding to the first node is executed, and the kernel says so`() async {
        await #expect(processExitsWith: .success) {
            let node = try #require(NUMAMachine.current.allowedNodes.first)
            try #require(try NUMABinding.threadPolicy() == .standard)
            try NUMABinding.bindThread(toNodes: [node])
            try #require(try NUMABinding.threadPolicy() == .bind([node]))
            let cpus = try NUMAMachine.current.bindableCPUs(ofNodes: [node])
            try #require(try NUMABinding.threadCPUs() == cpus)
            try #require(try NUMABinding.currentNode() == node)
            let pages = try Pages(count: 64)
            for page in 0..<64 { pages.write(page: page) }
            let placement = try pages.placement()
            try #require(placement.pageCountByNode == [node: 64])
            try #require(placement.pageCount(elsewhereThan: [node]) == 0)
            exit(0)
        }
    }

    @Test func `Binding does not widen what taskset allowed`() async {
        await #expect(processExitsWith: .success) {
            let cpu = Int(keep_lowest_cpu())
            try #require(NUMAMachine.current.allowedCPUs == [cpu])
            let node = NUMAMachine.current.nodes.first { $0.cpus.contains(cpu) }
            try NUMABinding.bindThreadCPUs(toNodes: [try #require(node).number])
            try #require(try NUMABinding.threadCPUs() == [cpu])
            exit(0)
        }
    }

    @Test func `Every policy is set and told back`() async {
        await #expect(processExitsWith: .success) {
            let node = try #require(NUMAMachine.current.allowedNodes.first)
            let policies: [MemoryPolicy] = [
                .bind([node]), .preferred(node), .interleave([node]), .local, .standard,
            ]
            let pages = try Pages(count: 8)
            for policy in policies {
                try NUMABinding.setThreadPolicy(policy)
                try #require(try NUMABinding.threadPolicy() == policy)
                try pages.bind(to: policy)
            }
            exit(0)
        }
    }

    @Test func `A node that does not exist is named before anything changes`() async {
        await #expect(processExitsWith: .success) {
            let node = (NUMAMachine.current.nodeNumbers.last ?? 0) + 7
            let error = NUMABindingError.noSuchNode(
                node, existing: NUMAMachine.current.nodeNumbers)
            let cpus = try NUMABinding.threadCPUs()
            let pages = try Pages(count: 1)
            for attempt in 0..<4 {
                do throws(NUMABindingError) {
                    switch attempt {
                    case 0: try NUMABinding.bindThread(toNodes: [0, node])
                    case 1: try NUMABinding.bindThreadCPUs(toNodes: [node])
                    case 2: try NUMABinding.setThreadPolicy(.preferred(node))
                    default: try pages.bind(to: .bind([node]))
                    }
                    exit(1)
                } catch {
                    try #require("\(error)".contains("NUMA node \(node) does not exist"))
                }
            }
            try #require(error.description.hasSuffix("\(NUMAMachine.current.nodeNumbers)"))
            try #require(try NUMABinding.threadPolicy() == .standard)
            try #require(try NUMABinding.threadCPUs() == cpus)
            exit(0)
        }
    }

    @Test func `A region is bound, touched before or after`() throws {
        let node = try #require(NUMAMachine.current.allowedNodes.first)
        let pages = try Pages(count: 32)
        for page in 0..<8 { pages.write(page: page) }
        try pages.withBytes { bytes in try NUMABinding.bindMemory(bytes, toNodes: [node]) }
        for page in 8..<16 { pages.write(page: page) }
        let placement = try pages.placement()
        #expect(placement.pageCountByNode == [node: 16])
        #expect(placement.untouchedPageCount == 16)
        #expect(placement.pageCount == 32)
        #expect(pages.read(page: 0) == 1)
    }

    @Test func `Untouched pages and pages of zeros are on no node`() throws {
        let pages = try Pages(count: 3)
        #expect(try pages.placement().untouchedPageCount == 3)
        #expect(pages.read(page: 1) == 0)
        pages.write(page: 2)
        let placement = try pages.placement()
        #expect(placement.untouchedPageCount == 1)
        #expect(placement.unplacedPageCount == 1)
        #expect(placement.pageCountByNode.values.reduce(0, +) == 1)
    }

    @Test(arguments: [1, 4095, 4096, 4097, 8193])
    func `Regions beyond one batch are counted whole`(count: Int) throws {
        let pages = try Pages(count: count)
        for page in 0..<count { pages.write(page: page) }
        let placement = try pages.placement()
        #expect(placement.pageCount == count)
        #expect(placement.pageCountByNode.values.reduce(0, +) == count)
    }

    @Test func `Part of a page counts as the page, and nothing as nothing`() throws {
        let pages = try Pages(count: 3)
        for page in 0..<3 { pages.write(page: page) }
        let size = Pages.pageByteCount
        #expect(try pages.placement(size / 2..<size / 2 + 1).pageCount == 1)
        #expect(try pages.placement(size - 1..<2 * size + 1).pageCount == 3)
        #expect(try pages.placement(size..<size) == PagePlacement())
        let node = try #require(NUMAMachine.current.allowedNodes.first)
        try pages.bind(size..<size, to: .bind([node]))
    }

    @Test func `A region that starts inside a page is our own mistake`() async {
        await #expect(processExitsWith: .failure) {
            let pages = try Pages(count: 2)
            try? pages.bind(1..<2, to: .bind([0]))
            exit(0)
        }
    }

    @Test func `Placements add up, and tell what lies elsewhere`() {
        var total = PagePlacement()
        total.pageCountByNode = [0: 5, 2: 1]
        var other = PagePlacement()
        other.pageCountByNode = [2: 4, 3: 2]
        other.untouchedPageCount = 7
        other.unplacedPageCount = 1
        total += other
        #expect(total.pageCountByNode == [0: 5, 2: 5, 3: 2])
        #expect(total.pageCount == 20)
        #expect(total.pageCount(elsewhereThan: [0, 2]) == 2)
        #expect(total.pageCount(elsewhereThan: []) == 12)
    }
}

/// The kernel refuses as it does in containers, by a real seccomp filter.
@Suite struct NUMARefusalTests {
    @Test func `A refused memory policy is told, by call and cause`() async {
        await #expect(processExitsWith: .success) {
            let node = try #require(NUMAMachine.current.allowedNodes.first)
            try #require(refuse_system_call(system_call_set_mempolicy, EPERM) == 0)
            let refusal = NUMABindingError.refused(
                call: "set_mempolicy", cause: .notPermitted)
            do throws(NUMABindingError) {
                try NUMABinding.bindThread(toNodes: [node])
                exit(1)
            } catch {
                try #require(error == refusal)
            }
            try #require(
                refusal.description == "set_mempolicy refused: Operation not permitted (errno 1)")
            exit(0)
        }
    }

    @Test func `A refused binding of a region, query or mask is told`() async {
        await #expect(processExitsWith: .success) {
            let node = try #require(NUMAMachine.current.allowedNodes.first)
            let pages = try Pages(count: 1)
            try #require(refuse_system_call(system_call_mbind, EPERM) == 0)
            try #require(refuse_system_call(system_call_move_pages, ENOSYS) == 0)
            try #require(refuse_system_call(system_call_sched_setaffinity, EINVAL) == 0)
            let refusals: [NUMABindingError] = [
                .refused(call: "mbind", cause: .notPermitted),
                .refused(call: "move_pages", cause: .noFunction),
                .refused(call: "sched_setaffinity", cause: .invalidArgument),
            ]
            for (attempt, refusal) in refusals.enumerated() {
                do throws(NUMABindingError) {
                    switch attempt {
                    case 0: try pages.bind(to: .bind([node]))
                    case 1: _ = try pages.placement()
                    default: try NUMABinding.bindThreadCPUs(toNodes: [node])
                    }
                    exit(1)
                } catch {
                    try #require(error == refusal)
                }
            }
            exit(0)
        }
    }

    @Test(arguments: [EPERM, ENOSYS])
    func `Without memory policies NUMA is unavailable, and says why`(cause: Int32) async {
        await #expect(processExitsWith: .success) { [cause] in
            try #require(refuse_system_call(system_call_get_mempolicy, cause) == 0)
            let machine = NUMAMachine.current
            try #require(!machine.isAvailable)
            let reason = "get_mempolicy: \(Errno(rawValue: cause))"
            try #require(machine.unavailableReason == reason)
            do throws(NUMABindingError) {
                try NUMABinding.bindThread(toNodes: [0])
                exit(1)
            } catch {
                try #require(error == .unavailable(reason: reason))
            }
            try #require(!(try NUMABinding.threadCPUs().isEmpty))
            exit(0)
        }
    }
}
