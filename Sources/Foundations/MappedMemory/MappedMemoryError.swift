import Glibc
package import SystemPackage

/// Why memory could not be had: the step, the object, and what the kernel or a rule said.
package enum MappedMemoryError: Error, Equatable, CustomStringConvertible {
    /// What was being done; reads as the start of a sentence.
    package enum Step: String, Sendable {
        case create = "cannot create"
        case unlink = "cannot unlink"
        case resize = "cannot set the size of"
        case reserve = "cannot reserve memory for"
        case open = "cannot open"
        case examine = "cannot examine"
        case map = "cannot map"
        case advise = "cannot advise the kernel about"
        case lock = "cannot lock in memory"
        case takeHugePages = "cannot take huge pages of the kernel's pool for"
    }

    /// The operating system refused.
    case system(Step, object: String, cause: Errno)
    /// The file system that holds shared memory is too small or too full.
    case noRoom(object: String, neededByteCount: Int, freeByteCount: Int, totalByteCount: Int)
    /// A directory, pipe or device where a regular file is needed; `kind` names it.
    case notRegularFile(object: String, kind: String)
    /// Nothing to map.
    case empty(object: String)
    /// Larger than the caller allows or an address space can hold.
    case tooLarge(object: String, byteCount: Int, maximumByteCount: Int)
    /// Smaller than its contents must be.
    case tooSmall(object: String, byteCount: Int, minimumByteCount: Int)

    package var description: String {
        switch self {
        case .system(let step, let object, let cause):
            "\(step.rawValue) \(object): \(cause)"
        case .noRoom(let object, let needed, let free, let total):
            "no room for \(object): it needs \(needed) bytes, /dev/shm has \(free) bytes free"
                + " of \(total); enlarge it with: mount -o remount,size=SIZE /dev/shm"
        case .notRegularFile(let object, let kind):
            "\(object) is \(kind), not a regular file"
        case .empty(let object):
            "\(object) is empty"
        case .tooLarge(let object, let byteCount, let maximum):
            "\(object) has \(byteCount) bytes, more than the limit of \(maximum)"
        case .tooSmall(let object, let byteCount, let minimum):
            "\(object) has \(byteCount) bytes, fewer than the \(minimum) that it must hold"
        }
    }
}

extension Errno {
    /// The calling thread's `errno`; read it before any other call.
    static var current: Errno { Errno(rawValue: Glibc.errno) }
}

/// The descriptor's metadata, from fstat(2).
func fileStatus(
    of descriptor: FileDescriptor, object: String
) throws(MappedMemoryError) -> stat {
    var status = stat()
    guard unsafe fstat(descriptor.rawValue, &status) == 0 else {
        throw .system(.examine, object: object, cause: .current)
    }
    return status
}

/// Refuses what cannot be mapped as a whole, and gives the size in bytes.
func mappableByteCount(
    of descriptor: FileDescriptor, object: String, maximumByteCount: Int
) throws(MappedMemoryError) -> Int {
    let status = try fileStatus(of: descriptor, object: object)
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFREG else {
        throw .notRegularFile(object: object, kind: nameOfFileKind(kind))
    }
    let byteCount = Int(status.st_size)
    guard byteCount > 0 else { throw .empty(object: object) }
    guard byteCount <= maximumByteCount else {
        throw .tooLarge(
            object: object, byteCount: byteCount, maximumByteCount: maximumByteCount)
    }
    return byteCount
}

/// `kind` with an article, from the file type bits of st_mode.
private func nameOfFileKind(_ kind: mode_t) -> String {
    switch kind {
    case S_IFDIR: "a directory"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    case S_IFCHR: "a character device"
    case S_IFBLK: "a block device"
    default: "a special file"
    }
}
