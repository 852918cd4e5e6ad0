// The only file of this module that holds raw pointers: system calls on sockets, OpenSSL's
// HMAC, and
// the memory in which a link keeps frames.

internal import COpenSSL
package import Glibc
internal import SystemPackage

/// A socket that is closed with its owner.
struct SocketHandle: ~Copyable, Sendable {
    let number: Int32

    init(adopting number: Int32) { self.number = number }

    deinit { _ = close(number) }
}

/// What `send` or `recv` did with bytes.
enum Movement {
    case moved(Int)
    /// Nothing now: the kernel's memory is full, or empty.
    case nothing
    /// The other side will send nothing more.
    case ended
    case failed(Errno)
}

// MARK: - Connecting

/// One of the addresses that a name stands for, as the kernel takes it.
package struct KernelAddress {
    package let family: Int32
    package let bytes: [UInt8]

    package func with<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe bytes.withUnsafeBytes { raw in
            guard let base = raw.baseAddress else { preconditionFailure("addresses have bytes") }
            return unsafe body(
                base.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
    }
}

package func resolve(_ address: SocketAddress) throws(SocketError) -> [KernelAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let status = unsafe getaddrinfo(address.host, String(address.port), &hints, &list)
    guard status == 0 else {
        let reason = unsafe String(cString: gai_strerror(status))
        throw .address(address.description, rule: reason)
    }
    defer { unsafe freeaddrinfo(list) }
    var found: [KernelAddress] = []
    var entry = unsafe list
    while let current = unsafe entry {
        if let place = unsafe current.pointee.ai_addr {
            let bytes = unsafe UnsafeRawBufferPointer(
                start: place, count: Int(current.pointee.ai_addrlen))
            found.append(
                KernelAddress(family: unsafe current.pointee.ai_family, bytes: unsafe Array(bytes)))
        }
        unsafe entry = current.pointee.ai_next
    }
    return found
}

private func makeSocket(family: Int32) throws(SocketError) -> SocketHandle {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let number = socket(family, kind, 0)
    guard number >= 0 else { throw .system(step: "making a socket", cause: .current) }
    return SocketHandle(adopting: number)
}

/// A socket that listens at one address.
func listen(at address: KernelAddress) throws(SocketError) -> SocketHandle {
    let handle = try makeSocket(family: address.family)
    setOption(SOL_SOCKET, SO_REUSEADDR, 1, of: handle)
    let isBound = unsafe address.with { unsafe bind(handle.number, $0, $1) } == 0
    guard isBound, Glibc.listen(handle.number, 128) == 0 else {
        throw .listening(cause: .current)
    }
    return handle
}

/// The port at which a socket listens.
func port(of handle: borrowing SocketHandle) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let number = handle.number
    return unsafe withUnsafeMutableBytes(of: &storage) { raw in
        guard let base = raw.baseAddress,
            unsafe getsockname(number, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
        else { return 0 }
        // sin_port and sin6_port lie at the same place.
        return UInt16(bigEndian: unsafe raw.load(fromByteOffset: 2, as: UInt16.self))
    }
}

/// The next connection that waits; nil when none does.
func accept(from listener: borrowing SocketHandle) throws(SocketError) -> SocketHandle? {
    let number = Glibc.accept(listener.number, nil, nil)
    if number >= 0 {
        // Processes are started with the descriptors that they are to have, so none slips away.
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        _ = fcntl(number, F_SETFL, O_NONBLOCK)
        return SocketHandle(adopting: number)
    }
    switch Errno.current {
    case .wouldBlock, .resourceTemporarilyUnavailable, .interrupted, .connectionAbort: return nil
    case let cause: throw .listening(cause: cause)
    }
}

/// Connects to one address, within `limit`.
func connect(
    to address: KernelAddress, named name: String, within limit: Duration
) throws(SocketError) -> SocketHandle {
    let handle = try makeSocket(family: address.family)
    if unsafe address.with({ unsafe Glibc.connect(handle.number, $0, $1) }) == 0 { return handle }
    var cause = Errno.current
    if cause == .nowInProgress {
        guard wait(for: handle, events: POLLOUT, atMost: limit) != 0 else {
            throw .timedOut(step: "connecting to \(name)")
        }
        var status: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        _ = unsafe getsockopt(handle.number, SOL_SOCKET, SO_ERROR, &status, &length)
        if status == 0 { return handle }
        cause = Errno(rawValue: status)
    }
    switch cause {
    case .connectionRefused: throw .refused(name)
    case .timedOut: throw .timedOut(step: "connecting to \(name)")
    default: throw .unreachable(name, cause: cause)
    }
}

func setOption(_ level: Int32, _ name: Int32, _ value: Int32, of handle: borrowing SocketHandle) {
    var value = value
    _ = unsafe setsockopt(
        handle.number, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

/// Sleeps until one of `events`, or an error, is there.
///
/// - Returns: what is; 0 when the time is over or a signal came.
func wait(
    for handle: borrowing SocketHandle, events: Int32, atMost limit: Duration
) -> Int32 {
    var entry = pollfd(fd: handle.number, events: Int16(events), revents: 0)
    let count = unsafe poll(&entry, 1, milliseconds(limit))
    return count > 0 ? Int32(entry.revents) : 0
}

/// Sleeps until one of the sockets has one of its events, or an error, the time is over or a signal
/// comes.
func wait(for sockets: [(number: Int32, events: Int32)], atMost limit: Duration) {
    var entries = sockets.map { pollfd(fd: $0.number, events: Int16($0.events), revents: 0) }
    _ = unsafe poll(&entries, nfds_t(entries.count), milliseconds(limit))
}

/// Rounded up: a wait of less than a millisecond must not become none.
private func milliseconds(_ limit: Duration) -> Int32 {
    let (seconds, attoseconds) = limit.components
    return Int32(
        clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
}

func endSending(_ handle: borrowing SocketHandle) { _ = shutdown(handle.number, Int32(SHUT_WR)) }

// MARK: - Bytes

func receive(_ byteCount: Int, from number: Int32) -> (Movement, [UInt8]) {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    let count = unsafe recv(number, &bytes, byteCount, Int32(MSG_DONTWAIT))
    let movement = movement(count)
    if case .moved(let count) = movement { bytes.removeLast(byteCount - count) }
    return (movement, bytes)
}

func send(_ bytes: ArraySlice<UInt8>, to number: Int32) -> Movement {
    let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
    return movement(
        unsafe bytes.withUnsafeBytes { unsafe Glibc.send(number, $0.baseAddress, $0.count, flags) })
}

private func movement(_ count: Int) -> Movement {
    if count > 0 { return .moved(count) }
    if count == 0 { return .ended }
    switch Errno.current {
    case .wouldBlock, .resourceTemporarilyUnavailable, .interrupted: return .nothing
    case let cause: return .failed(cause)
    }
}

/// Memory for frames, zero at first, its start aligned to 16 bytes as all that malloc gives.
@safe
final class FrameMemory {
    let byteCount: Int
    private let base: UnsafeMutableRawPointer

    init(byteCount: Int) {
        self.byteCount = byteCount
        // Pages that nobody writes to are never made.
        guard let memory = unsafe calloc(1, byteCount) else {
            preconditionFailure("no memory for frames: \(byteCount) bytes")
        }
        unsafe base = memory
    }

    deinit { unsafe free(base) }

    func withBytes(at offset: Int, byteCount: Int, _ body: (RawSpan) -> Void) {
        check(offset, byteCount)
        unsafe body(RawSpan(_unsafeStart: base + offset, byteCount: byteCount))
    }

    func withMutableBytes(
        at offset: Int, byteCount: Int, _ body: (inout MutableRawSpan) -> Void
    ) {
        check(offset, byteCount)
        var span = unsafe MutableRawSpan(_unsafeStart: base + offset, byteCount: byteCount)
        body(&span)
    }

    func word(at offset: Int) -> UInt64 {
        check(offset, 8)
        return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    func setWord(_ value: UInt64, at offset: Int) {
        check(offset, 8)
        unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    }

    func flip(bit: Int, from offset: Int) {
        let index = offset + bit / 8
        check(index, 1)
        let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
        unsafe base.storeBytes(of: byte ^ 1 << UInt8(bit % 8), toByteOffset: index, as: UInt8.self)
    }

    /// Copies bytes from another memory.
    func copy(from source: FrameMemory, at offset: Int, byteCount: Int, to target: Int) {
        check(target, byteCount)
        source.check(offset, byteCount)
        unsafe (base + target).copyMemory(from: source.base + offset, byteCount: byteCount)
    }

    func receive(at offset: Int, byteCount: Int, from handle: borrowing SocketHandle) -> Movement {
        check(offset, byteCount)
        return movement(
            unsafe recv(handle.number, base + offset, byteCount, Int32(MSG_DONTWAIT)))
    }

    func send(at offset: Int, byteCount: Int, to handle: borrowing SocketHandle) -> Movement {
        check(offset, byteCount)
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        return movement(unsafe Glibc.send(handle.number, base + offset, byteCount, flags))
    }

    private func check(_ offset: Int, _ byteCount: Int) {
        precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount - byteCount)
    }
}

/// This host's name, at most `limit` bytes of it.
func hostName(limit: Int) -> [UInt8] {
    var bytes = [CChar](repeating: 0, count: limit + 1)
    guard unsafe gethostname(&bytes, limit) == 0 else { return [] }
    return bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
}

// MARK: - Secrets

func messageAuthenticationCode(key: [UInt8], of message: [UInt8]) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: SharedSecret.proofByteCount)
    var length: UInt32 = 0
    let result = unsafe HMAC(
        EVP_sha256(), key, Int32(key.count), message, message.count, &code, &length)
    precondition(unsafe result != nil && Int(length) == code.count, "SHA-256 is always there")
    return code
}

func areEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return unsafe CRYPTO_memcmp(left, right, left.count) == 0
}

/// The content of a file that only this user may read or write.
func readPrivateFile(_ path: String, limit: Int) throws(SocketError) -> [UInt8] {
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard number >= 0 else {
        throw .secretFile(path: path, rule: "it cannot be opened: \(Errno.current)")
    }
    defer { _ = close(number) }
    var facts = stat()
    guard unsafe fstat(number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
        throw .secretFile(path: path, rule: "it must be a regular file")
    }
    guard facts.st_uid == geteuid(), facts.st_mode & 0o077 == 0 else {
        throw .secretFile(
            path: path, rule: "nobody but its owner, this user, may have access (chmod 600)")
    }
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    // From the start, wherever a process that shares the open file has read to.
    let count = unsafe pread(number, &bytes, bytes.count, 0)
    guard count >= 0 else {
        throw .secretFile(path: path, rule: "it cannot be read: \(Errno.current)")
    }
    return Array(bytes.prefix(count))
}

extension Errno {
    /// The calling thread's `errno`; read it before any other call.
    static var current: Errno { Errno(rawValue: Glibc.errno) }
}
