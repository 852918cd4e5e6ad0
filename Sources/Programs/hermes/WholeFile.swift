import Foundation
import Glibc
import SystemPackage

/// Reads and writes files as a whole. Any file that the user names can be a pipe or a device:
/// waiting for one ends with a stop signal, and reading one ends at a limit.
enum WholeFile {
    /// Far beyond any topology, and any prompt that a context holds.
    private static let maximumByteCount = 64 << 20

    /// The content of a file; a failure names it and is the input's (exit 65).
    static func read(_ path: String, what: String) throws -> [UInt8] {
        let name = "\(what) '\(path)'"
        let descriptor: FileDescriptor
        do {
            descriptor = try open(path, .readOnly)
        } catch let cause as Errno {
            throw Failure(.badInput, "cannot read \(name): \(cause)")
        }
        defer { try? descriptor.close() }
        return try read(descriptor, name: name)
    }

    /// As ``read(_:what:)``, of a file of text.
    static func text(_ path: String, what: String) throws -> String {
        let bytes = try read(path, what: what)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "\(what) '\(path)' is not valid UTF-8")
        }
        return text
    }

    /// Everything until the end of an open file.
    static func read(_ descriptor: FileDescriptor, name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            try awaitInput(descriptor)
            let count: Int
            do {
                count = try unsafe chunk.withUnsafeMutableBytes {
                    try unsafe descriptor.read(into: $0)
                }
            } catch let cause as Errno {
                throw Failure(.badInput, "cannot read \(name): \(cause)")
            }
            if count == 0 { return bytes }
            guard bytes.count + count <= maximumByteCount else {
                throw Failure(
                    .badInput, "\(name) is larger than the limit of \(maximumByteCount) bytes")
            }
            bytes += chunk[..<count]
        }
    }

    /// Waits until reading does not; in slices, because a signal that comes just before a wait
    /// does not interrupt it.
    private static func awaitInput(_ descriptor: FileDescriptor) throws {
        var request = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        repeat {
            try Interruption.check()
        } while unsafe poll(&request, 1, 100) <= 0
    }

    /// Opens; a pipe waits for its other end, a stop signal ends that.
    private static func open(
        _ path: String, _ mode: FileDescriptor.AccessMode
    ) throws -> FileDescriptor {
        while true {
            try Interruption.check()
            do {
                return try FileDescriptor.open(FilePath(path), mode, retryOnInterrupt: false)
            } catch Errno.interrupted {
                continue
            }
        }
    }

    // MARK: Writing

    /// Makes the folders above a file that is to be written, and finds out early whether it can
    /// be (exit 69 if not).
    static func prepare(_ path: String) throws {
        do {
            let target = URL(fileURLWithPath: path).resolvingSymlinksInPath()
            let folder = target.deletingLastPathComponent()
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true)
            guard !path.isEmpty, !target.hasDirectoryPath, kind(of: target) != .typeDirectory
            else { throw Errno.isDirectory }
            let place = isReplaceable(target) ? folder : target
            guard unsafe access(place.path, W_OK) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw refusal(path, error)
        }
    }

    /// As ``prepare(_:)``, for a file that somebody else writes and renames: a pipe or device in
    /// its place would be replaced by it.
    ///
    /// - Returns: the path with links followed.
    static func prepareRegular(_ path: String) throws -> String {
        try prepare(path)
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath()
        guard isReplaceable(target) else {
            throw Failure(.machineLacks, "cannot write '\(path)': not a regular file")
        }
        return target.path
    }

    /// Writes a file so that readers see the old content or the new, never a part. Links, pipes
    /// and devices are written through, not replaced.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try prepare(path)
        do {
            let target = URL(fileURLWithPath: path).resolvingSymlinksInPath()
            if isReplaceable(target) {
                try Data(bytes).write(to: target, options: .atomic)
            } else {
                let descriptor = try open(target.path, .writeOnly)
                try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw refusal(path, error)
        }
    }

    private static func refusal(_ path: String, _ error: any Error) -> Failure {
        let reason = (error as? Errno)?.description ?? error.localizedDescription
        return Failure(.machineLacks, "cannot write '\(path)': \(reason)")
    }

    private static func isReplaceable(_ target: URL) -> Bool {
        [nil, .typeRegular].contains(kind(of: target))
    }

    /// `nil` when nothing is there.
    private static func kind(of target: URL) -> FileAttributeType? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: target.path)
        return attributes?[.type] as? FileAttributeType
    }
}
