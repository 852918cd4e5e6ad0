import Glibc
import SystemPackage

/// A file in the making, beside its destination: it gets its name when it is complete, and is
/// removed when its owner dies before that. So no half-written file ever has the name.
package struct UnfinishedFile: ~Copyable, Sendable {
    private let destination: FilePath
    private let temporaryPath: FilePath
    private let descriptor: FileDescriptor
    private var isComplete = false
    /// After a write that failed nobody knows what the file holds: it can never be completed.
    private var failure: ActivityTraceError?

    /// Bytes written.
    private(set) var byteCount = 0

    private static let suffix = ".partial"

    /// Whether a file is called as one of these.
    package static func isName(_ name: String) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
        let number = name.dropLast(suffix.count).split(separator: ".").last
        return number.flatMap { UInt64($0, radix: 36) } != nil && name.count { $0 == "." } >= 3
    }

    /// Creates `.<name>.<number>.partial` in the destination's folder.
    static func create(_ destination: FilePath) throws(ActivityTraceError) -> UnfinishedFile {
        guard let name = destination.lastComponent, name.kind == .regular else {
            throw .system(.create, file: destination.string, cause: .isDirectory)
        }
        let number = String(UInt64.random(in: .min ... .max), radix: 36)
        let temporaryPath = destination.removingLastComponent()
            .appending(".\(name.string).\(number)\(suffix)")
        do {
            let descriptor = try FileDescriptor.open(
                temporaryPath, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
            return UnfinishedFile(
                destination: destination, temporaryPath: temporaryPath, descriptor: descriptor)
        } catch {
            throw .system(
                .create, file: destination.string, cause: error as? Errno ?? .ioError)
        }
    }

    private init(
        destination: FilePath, temporaryPath: FilePath, descriptor: FileDescriptor
    ) {
        self.destination = destination
        self.temporaryPath = temporaryPath
        self.descriptor = descriptor
    }

    deinit {
        try? descriptor.close()
        if !isComplete { unsafe unlink(temporaryPath.string) }
    }

    var name: String { destination.string }

    mutating func write(_ bytes: [UInt8]) throws(ActivityTraceError) {
        if let failure { throw failure }
        do {
            byteCount += try descriptor.writeAll(bytes)
        } catch {
            let refusal = ActivityTraceError.system(
                .write, file: name, cause: error as? Errno ?? .ioError)
            failure = refusal
            throw refusal
        }
    }

    /// Gives the file its name, in place of what had the name before, once its bytes are on disk.
    mutating func complete() throws(ActivityTraceError) {
        if let failure { throw failure }
        guard fsync(descriptor.rawValue) == 0 else {
            throw .system(.flush, file: name, cause: Errno(rawValue: errno))
        }
        guard unsafe rename(temporaryPath.string, destination.string) == 0 else {
            throw .system(.rename, file: name, cause: Errno(rawValue: errno))
        }
        isComplete = true
    }
}
