// The module's only unsafe code: calls into libnuma and the kernel that take pointers.
internal import CLinuxShims
internal import CNUMA
internal import Glibc
internal import SystemPackage

/// A set of node numbers as the kernel's calls take it. 1024 is the largest MAX_NUMNODES.
private struct NodeMask {
    static let bitCount = 1024
    var words = [UInt](repeating: 0, count: bitCount / UInt.bitWidth)

    init(_ nodes: [Int] = []) {
        for node in nodes { words[node / UInt.bitWidth] |= 1 << UInt(node % UInt.bitWidth) }
    }

    var nodes: [Int] {
        (0..<NodeMask.bitCount).filter { node in
            words[node / UInt.bitWidth] >> UInt(node % UInt.bitWidth) & 1 == 1
        }
    }

    /// The kernel takes one bit off what it is told.
    static var maximum: UInt { UInt(bitCount) + 1 }
}

/// One of libnuma's sets of CPUs, sized for the kernel's CPU numbers.
@safe
private struct CPUMask: ~Copyable {
    private let mask: UnsafeMutablePointer<bitmask>

    init() {
        // libnuma ends the program itself when this allocation fails.
        guard let mask = unsafe numa_allocate_cpumask() else {
            preconditionFailure("libnuma gave no CPU mask")
        }
        unsafe self.mask = unsafe mask
    }

    deinit { unsafe numa_bitmask_free(mask) }

    var cpus: [Int] {
        (0..<Int(unsafe mask.pointee.size)).filter {
            unsafe numa_bitmask_isbitset(mask, UInt32($0)) == 1
        }
    }

    func insert(_ cpu: Int) { unsafe numa_bitmask_setbit(mask, UInt32(cpu)) }

    func fill(fromThread thread: Int32) -> Int32 { unsafe numa_sched_getaffinity(thread, mask) }

    func fill(fromNode node: Int) -> Int32 { unsafe numa_node_to_cpus(Int32(node), mask) }

    func apply(toThread thread: Int32) -> Int32 {
        unsafe numa_sched_setaffinity(thread, mask)
    }
}

/// Looks at the machine; see ``NUMAMachine/current``.
func inspectMachine() -> NUMAMachine {
    let allowedCPUs = (try? queryAffinity(ofThread: getpid())) ?? []
    // libnuma asks the same, but its versions differ in which refusals they take for an answer.
    let refusal = get_mempolicy(nil, nil, 0, nil, 0) < 0 ? Errno.current : nil
    guard refusal == nil, numa_available() >= 0 else {
        let reason = refusal.map { "get_mempolicy: \($0)" } ?? "numa_available() is negative"
        return NUMAMachine(
            unavailableReason: reason, nodes: [], allowedNodes: [], allowedCPUs: allowedCPUs,
            distances: [])
    }
    var nodes: [NUMANode] = []
    for number in 0...max(0, Int(numa_max_node())) {
        let byteCount = numa_node_size64(Int32(number), nil)
        guard byteCount >= 0 else { continue }  // A gap in the numbers.
        let mask = CPUMask()
        let cpus = mask.fill(fromNode: number) == 0 ? mask.cpus : []
        nodes.append(NUMANode(number: number, memoryByteCount: Int(byteCount), cpus: cpus))
    }
    let distances = nodes.map { from in
        nodes.map { Int(numa_distance(Int32(from.number), Int32($0.number))) }
    }
    return NUMAMachine(
        nodes: nodes, allowedNodes: queryAllowedNodes(), allowedCPUs: allowedCPUs,
        distances: distances)
}

private func queryAllowedNodes() -> [Int] {
    var mask = NodeMask()
    let status = unsafe get_mempolicy(
        nil, &mask.words, NodeMask.maximum, nil, UInt32(MPOL_F_MEMS_ALLOWED))
    return status == 0 ? mask.nodes : []
}

func queryAffinity(ofThread thread: Int32) throws(NUMABindingError) -> [Int] {
    let mask = CPUMask()
    guard mask.fill(fromThread: thread) >= 0 else {
        throw .refused(call: "sched_getaffinity", cause: .current)
    }
    return mask.cpus
}

/// - Parameter thread: 0 is the calling one.
func setAffinity(ofThread thread: Int32 = 0, to cpus: [Int]) throws(NUMABindingError) {
    let mask = CPUMask()
    for cpu in cpus { mask.insert(cpu) }
    guard mask.apply(toThread: thread) == 0 else {
        throw .refused(call: "sched_setaffinity", cause: .current)
    }
}

/// Identifiers of this process's threads.
func ownThreads() -> [Int32] {
    guard let folder = unsafe opendir("/proc/self/task") else { return [] }
    defer { unsafe closedir(folder) }
    var threads: [Int32] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
            unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) {
                unsafe String(cString: $0)
            }
        }
        if let thread = Int32(name) { threads.append(thread) }
    }
    return threads
}

func queryCurrentPlace() throws(NUMABindingError) -> (cpu: Int, node: Int) {
    var cpu: UInt32 = 0
    var node: UInt32 = 0
    guard unsafe shim_current_place(&cpu, &node) == 0 else {
        throw .refused(call: "getcpu", cause: .current)
    }
    return (Int(cpu), Int(node))
}

extension MemoryPolicy {
    fileprivate var mode: Int32 {
        switch self {
        case .standard: MPOL_DEFAULT
        case .bind: MPOL_BIND
        case .preferred: MPOL_PREFERRED
        case .interleave: MPOL_INTERLEAVE
        case .local: MPOL_LOCAL
        }
    }

    /// - Parameter mode: without flags.
    fileprivate init?(mode: Int32, nodes: [Int]) {
        switch mode {
        case MPOL_DEFAULT: self = .standard
        case MPOL_BIND: self = .bind(nodes)
        // Older kernels tell "local" as "preferred" without a node.
        case MPOL_PREFERRED: self = nodes.first.map { .preferred($0) } ?? .local
        case MPOL_INTERLEAVE: self = .interleave(nodes)
        case MPOL_LOCAL: self = .local
        default: return nil
        }
    }
}

func applyThreadPolicy(_ policy: MemoryPolicy) throws(NUMABindingError) {
    let mask = NodeMask(policy.nodes)
    let status =
        unsafe policy.nodes.isEmpty
        ? set_mempolicy(policy.mode, nil, 0)
        : set_mempolicy(policy.mode, mask.words, NodeMask.maximum)
    guard status == 0 else { throw .refused(call: "set_mempolicy", cause: .current) }
}

func queryThreadPolicy() throws(NUMABindingError) -> MemoryPolicy {
    var mask = NodeMask()
    var mode: Int32 = 0
    guard unsafe get_mempolicy(&mode, &mask.words, NodeMask.maximum, nil, 0) == 0 else {
        throw .refused(call: "get_mempolicy", cause: .current)
    }
    let flags: Int32 = 0xff << 8
    guard let policy = MemoryPolicy(mode: mode & ~flags, nodes: mask.nodes) else {
        throw .refused(call: "get_mempolicy, mode \(mode)", cause: .notSupported)
    }
    return policy
}

/// Where a span lies.
func addresses(of region: RawSpan) -> Range<UInt> {
    unsafe region.withUnsafeBytes { bytes in
        let start = UInt(bitPattern: bytes.baseAddress)
        return start..<start + UInt(bytes.count)
    }
}

func applyPolicy(
    _ policy: MemoryPolicy, to addresses: Range<UInt>
) throws(NUMABindingError) {
    guard !addresses.isEmpty else { return }
    precondition(addresses.lowerBound % UInt(sysconf(Int32(_SC_PAGESIZE))) == 0)
    let mask = NodeMask(policy.nodes)
    let flags = UInt32(MPOL_MF_MOVE | MPOL_MF_STRICT)
    let start = unsafe UnsafeMutableRawPointer(bitPattern: addresses.lowerBound)
    let byteCount = UInt(addresses.count)
    let status =
        unsafe policy.nodes.isEmpty
        ? mbind(start, byteCount, policy.mode, nil, 0, flags)
        : mbind(start, byteCount, policy.mode, mask.words, NodeMask.maximum, flags)
    guard status == 0 else { throw .refused(call: "mbind", cause: .current) }
}

func queryPlacement(of region: Range<UInt>) throws(NUMABindingError) -> PagePlacement {
    let batchPageCount = 4096
    let pageByteCount = UInt(sysconf(Int32(_SC_PAGESIZE)))
    var placement = PagePlacement()
    guard !region.isEmpty else { return placement }
    var addresses: [UnsafeMutableRawPointer?] = unsafe []
    unsafe addresses.reserveCapacity(batchPageCount)
    var statuses = [Int32](repeating: 0, count: batchPageCount)
    var next = region.lowerBound / pageByteCount * pageByteCount
    while next < region.upperBound {
        unsafe addresses.removeAll(keepingCapacity: true)
        while next < region.upperBound, unsafe addresses.count < batchPageCount {
            unsafe addresses.append(UnsafeMutableRawPointer(bitPattern: next))
            next += pageByteCount
        }
        let count = unsafe addresses.count
        // Without target nodes it moves nothing and tells where each page is.
        let status = unsafe move_pages(0, UInt(count), &addresses, nil, &statuses, 0)
        guard status == 0 else { throw .refused(call: "move_pages", cause: .current) }
        for status in statuses.prefix(count) { placement.count(pageStatus: status) }
    }
    return placement
}

extension PagePlacement {
    /// Counts one page by what `move_pages(2)` says of it: its node, or a negated errno.
    fileprivate mutating func count(pageStatus: Int32) {
        switch pageStatus {
        case 0...: pageCountByNode[Int(pageStatus), default: 0] += 1
        case -ENOENT: untouchedPageCount += 1
        default: unplacedPageCount += 1
        }
    }
}

extension Errno {
    /// The calling thread's `errno`; read it before any other call.
    fileprivate static var current: Errno { Errno(rawValue: Glibc.errno) }
}
