// The only file of this module that holds raw pointers: system calls on sockets.

internal import ConnectionProtocol
internal import Glibc
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

private func makeSocket(family: Int32) throws(ConnectionError) -> SocketHandle {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let number = socket(family, kind, 0)
    guard number >= 0 else { throw .system(step: "making a socket", cause: .current) }
    return SocketHandle(adopting: number)
}

/// A socket that listens at one address.
func listen(at address: KernelAddress) throws(ConnectionError) -> SocketHandle {
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
func accept(from listener: borrowing SocketHandle) throws(ConnectionError) -> SocketHandle? {
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
) throws(ConnectionError) -> SocketHandle {
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

extension FrameMemory {
    func receive(at offset: Int, byteCount: Int, from handle: borrowing SocketHandle) -> Movement {
        let number = handle.number
        return withMutableBytes(at: offset, byteCount: byteCount) { bytes in
            unsafe bytes.withUnsafeMutableBytes {
                movement(unsafe recv(number, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)))
            }
        }
    }

    func send(at offset: Int, byteCount: Int, to handle: borrowing SocketHandle) -> Movement {
        let number = handle.number
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        return withBytes(at: offset, byteCount: byteCount) { bytes in
            unsafe bytes.withUnsafeBytes {
                movement(unsafe Glibc.send(number, $0.baseAddress, $0.count, flags))
            }
        }
    }
}
