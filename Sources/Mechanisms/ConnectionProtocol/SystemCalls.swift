// The only file of this module that holds raw pointers: the memory for frames, names of hosts,
// OpenSSL's HMAC, the file of a secret.

internal import COpenSSL
package import Glibc
package import SystemPackage

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

package func resolve(_ address: ConnectionAddress) throws(ConnectionError) -> [KernelAddress] {
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
func readPrivateFile(_ path: String, limit: Int) throws(ConnectionError) -> [UInt8] {
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

/// Rounded up: a wait of less than a millisecond must not become none.
package func milliseconds(_ limit: Duration) -> Int32 {
    let (seconds, attoseconds) = limit.components
    return Int32(
        clamping: seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
}

// MARK: - Frames

/// Memory in which one end of a connection keeps frames: zero at first, in pages of its own that
/// are made when they are first written.
@safe
package final class FrameMemory {
    package let byteCount: Int
    private let base: UnsafeMutableRawPointer

    private init(byteCount: Int, base: UnsafeMutableRawPointer) {
        self.byteCount = byteCount
        unsafe self.base = base
    }

    deinit { _ = unsafe munmap(base, byteCount) }

    /// - Parameter byteCount: more than zero.
    package static func create(byteCount: Int) throws(ConnectionError) -> FrameMemory {
        let pages = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base = unsafe pages, unsafe base != MAP_FAILED else {
            throw .system(step: "getting \(byteCount) bytes for frames", cause: .current)
        }
        return unsafe FrameMemory(byteCount: byteCount, base: base)
    }

    /// Where it lies, for a device that reads or writes it by itself.
    package var address: UInt { UInt(bitPattern: unsafe base) }

    package func withBytes<Result>(
        at offset: Int, byteCount: Int, _ body: (RawSpan) -> Result
    ) -> Result {
        check(offset, byteCount)
        return unsafe body(RawSpan(_unsafeStart: base + offset, byteCount: byteCount))
    }

    package func withMutableBytes<Result>(
        at offset: Int, byteCount: Int, _ body: (inout MutableRawSpan) -> Result
    ) -> Result {
        check(offset, byteCount)
        var span = unsafe MutableRawSpan(_unsafeStart: base + offset, byteCount: byteCount)
        return body(&span)
    }

    /// The 32 bytes of a header.
    ///
    /// - Parameter offset: a multiple of eight.
    package func words(at offset: Int) -> [4 of UInt64] {
        check(offset, 32)
        func word(_ index: Int) -> UInt64 {
            unsafe base.load(fromByteOffset: offset + 8 * index, as: UInt64.self)
        }
        return [word(0), word(1), word(2), word(3)]
    }

    package func setWords(_ values: [4 of UInt64], at offset: Int) {
        check(offset, 32)
        for index in 0..<4 {
            unsafe base.storeBytes(
                of: values[index], toByteOffset: offset + 8 * index, as: UInt64.self)
        }
    }

    package func flip(bit: Int, from offset: Int) {
        let index = offset + bit / 8
        check(index, 1)
        let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
        unsafe base.storeBytes(of: byte ^ 1 << UInt8(bit % 8), toByteOffset: index, as: UInt8.self)
    }

    /// Copies bytes from another memory.
    package func copy(from source: FrameMemory, at offset: Int, byteCount: Int, to target: Int) {
        check(target, byteCount)
        source.check(offset, byteCount)
        unsafe (base + target).copyMemory(from: source.base + offset, byteCount: byteCount)
    }

    private func check(_ offset: Int, _ byteCount: Int) {
        precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount - byteCount)
    }
}

extension Errno {
    /// The calling thread's `errno`; read it before any other call.
    package static var current: Errno { Errno(rawValue: Glibc.errno) }
}
