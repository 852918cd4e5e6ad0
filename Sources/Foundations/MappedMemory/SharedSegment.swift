import CLinuxShims
import Glibc
package import SystemPackage

/// POSIX shared memory with one owner of its descriptor in this process.
///
/// It never has a name: workers inherit the descriptor, and the last process that holds or maps
/// it frees the memory by ending, however and whenever it ends. Where the file system cannot make
/// unnamed files, a random name exists for the time of two system calls. All pages are reserved
/// at creation, so a full or tiny /dev/shm is an error here and never a SIGBUS at some later
/// store.
///
/// The descriptor is close-on-exec. Hand it to a child under another number (dup2 in the child,
/// as posix_spawn's file actions do), which clears that flag for the child alone.
package struct SharedSegment: ~Copyable, Sendable {
    /// Size in bytes, as the kernel reports it.
    package let byteCount: Int
    /// Owned by the segment; valid while the segment lives.
    package let descriptor: FileDescriptor

    private let object: String

    /// Creates a zero-filled segment, readable and writable by this user alone.
    ///
    /// A static function, not an initializer: once a noncopyable `self` is initialized, an
    /// initializer cannot throw, and here `deinit` must close the descriptor on every path.
    ///
    /// - Throws: ``MappedMemoryError/noRoom(object:neededByteCount:freeByteCount:totalByteCount:)``
    ///   when /dev/shm cannot hold it, `system` for every other refusal.
    package static func create(byteCount: Int) throws(MappedMemoryError) -> SharedSegment {
        precondition(byteCount > 0)
        let object = "a shared segment of \(byteCount) bytes"
        let unnamed = unsafe shim_open_unnamed("/dev/shm")
        if unnamed < 0, ![EOPNOTSUPP, EISDIR].contains(errno) {
            throw .system(.create, object: object, cause: .current)
        }
        // From here `deinit` closes the descriptor, on every path out.
        let segment =
            unnamed >= 0
            ? SharedSegment(
                owning: FileDescriptor(rawValue: unnamed), byteCount: byteCount, object: object)
            : try createNamed(byteCount: byteCount, object: object)
        try segment.reserve()
        return segment
    }

    /// With a name, which is gone on return.
    private static func createNamed(
        byteCount: Int, object: String
    ) throws(MappedMemoryError) -> SharedSegment {
        let name = makeName()
        let rawDescriptor = unsafe shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0o600)
        guard rawDescriptor >= 0 else {
            throw .system(.create, object: object, cause: .current)
        }
        let segment = SharedSegment(
            owning: FileDescriptor(rawValue: rawDescriptor), byteCount: byteCount, object: object)
        guard unsafe shm_unlink(name) == 0 else {
            throw .system(.unlink, object: object, cause: .current)
        }
        return segment
    }

    /// Takes over a descriptor that this process inherited, and asks the kernel for its size.
    ///
    /// - Throws: also when fewer than `minimumByteCount` bytes are there, or no regular file is;
    ///   the descriptor is closed then, too.
    package static func adopt(
        _ descriptor: FileDescriptor, minimumByteCount: Int
    ) throws(MappedMemoryError) -> SharedSegment {
        let object = "the inherited shared segment (descriptor \(descriptor.rawValue))"
        let byteCount: Int
        do throws(MappedMemoryError) {
            byteCount = try mappableByteCount(
                of: descriptor, object: object, maximumByteCount: FileMapping.maximumByteCount)
            guard byteCount >= minimumByteCount else {
                throw .tooSmall(
                    object: object, byteCount: byteCount, minimumByteCount: minimumByteCount)
            }
        } catch {
            try? descriptor.close()
            throw error
        }
        return SharedSegment(owning: descriptor, byteCount: byteCount, object: object)
    }

    private init(owning descriptor: FileDescriptor, byteCount: Int, object: String) {
        self.descriptor = descriptor
        self.byteCount = byteCount
        self.object = object
    }

    deinit { try? descriptor.close() }

    /// Maps the whole segment; the mapping may outlive the segment.
    package borrowing func map() throws(MappedMemoryError) -> SharedMapping {
        SharedMapping(
            adopting: try .map(
                descriptor, byteCount: byteCount, isWritable: true, object: object))
    }

    /// Sets the size and has every page reserved now.
    private borrowing func reserve() throws(MappedMemoryError) {
        let before = try fileSystem()
        // Asked first: reserving may take all memory there is before the kernel says no.
        // A file system without a limit reports zero blocks in all.
        if before.f_blocks > 0, byteCount > before.freeByteCount {
            throw noRoom(before)
        }
        guard ftruncate(descriptor.rawValue, byteCount) == 0 else {
            throw .system(.resize, object: object, cause: .current)
        }
        var outcome: Int32
        repeat {
            outcome = posix_fallocate(descriptor.rawValue, 0, byteCount)
        } while outcome == EINTR
        if outcome == ENOSPC { throw noRoom(try fileSystem()) }
        guard outcome == 0 else {
            throw .system(.reserve, object: object, cause: Errno(rawValue: outcome))
        }
    }

    private borrowing func fileSystem() throws(MappedMemoryError) -> statvfs {
        var status = statvfs()
        guard unsafe fstatvfs(descriptor.rawValue, &status) == 0 else {
            throw .system(.examine, object: "the file system of \(object)", cause: .current)
        }
        return status
    }

    private borrowing func noRoom(_ fileSystem: statvfs) -> MappedMemoryError {
        .noRoom(
            object: object, neededByteCount: byteCount,
            freeByteCount: fileSystem.freeByteCount, totalByteCount: fileSystem.totalByteCount)
    }

    /// 128 random bits: nobody can guess it, so nobody can have made it first.
    private static func makeName() -> String {
        var random = SystemRandomNumberGenerator()
        let digits = (0..<2).map { _ in
            let half = String(random.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - half.count) + half
        }
        return "/hermes-" + digits.joined()
    }
}

extension statvfs {
    /// Bytes that an ordinary user can still take.
    fileprivate var freeByteCount: Int {
        Int(clamping: UInt(f_bavail).multipliedReportingOverflow(by: UInt(f_frsize)).0)
    }

    fileprivate var totalByteCount: Int {
        Int(clamping: UInt(f_blocks).multipliedReportingOverflow(by: UInt(f_frsize)).0)
    }
}
