import Glibc
package import SystemPackage

/// A regular file, mapped read-only as a whole, with one owner; unmapped when the owner dies.
///
/// Pages are the kernel's cache of the file: shared by every process that maps it, and never
/// counted as private memory. A file that somebody truncates while it is mapped raises SIGBUS on
/// access, as it does for every program that maps files.
package struct FileMapping: ~Copyable, Sendable {
    /// The default upper limit: half of the smallest 64-bit user address space (47 bits).
    package static let maximumByteCount = 1 << 46

    /// The open file, so that children can inherit it; valid while the mapping lives.
    package let descriptor: FileDescriptor

    private let region: MappedRegion
    private let object: String

    /// Opens and maps the file at `path`.
    ///
    /// - Throws: for a file that is missing, unreadable, empty, larger than `maximumByteCount`,
    ///   or not a regular file (a pipe is refused without waiting for its writer).
    package static func open(
        _ path: FilePath, maximumByteCount: Int = maximumByteCount
    ) throws(MappedMemoryError) -> FileMapping {
        let object = "'\(path)'"
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                path, .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch {
            throw .system(.open, object: object, cause: error as? Errno ?? .current)
        }
        return try map(descriptor, object: object, maximumByteCount: maximumByteCount)
    }

    /// Takes over an inherited descriptor and maps its file; closes it when that fails.
    ///
    /// - Parameter name: what messages call the file.
    package static func adopt(
        _ descriptor: FileDescriptor, named name: String,
        maximumByteCount: Int = maximumByteCount
    ) throws(MappedMemoryError) -> FileMapping {
        try map(descriptor, object: "'\(name)'", maximumByteCount: maximumByteCount)
    }

    private static func map(
        _ descriptor: FileDescriptor, object: String, maximumByteCount: Int
    ) throws(MappedMemoryError) -> FileMapping {
        do throws(MappedMemoryError) {
            let byteCount = try mappableByteCount(
                of: descriptor, object: object, maximumByteCount: maximumByteCount)
            return FileMapping(
                descriptor: descriptor,
                region: try .map(
                    descriptor, byteCount: byteCount, isWritable: false, object: object),
                object: object)
        } catch {
            try? descriptor.close()
            throw error
        }
    }

    private init(
        descriptor: FileDescriptor, region: consuming MappedRegion, object: String
    ) {
        self.descriptor = descriptor
        self.region = region
        self.object = object
    }

    deinit { try? descriptor.close() }

    /// Size of the file when it was mapped, in bytes.
    package var byteCount: Int { region.byteCount }

    /// The whole file.
    package var bytes: RawSpan {
        @_lifetime(borrow self)
        get { region.bytes }
    }

    /// `count` elements from `offset` on, in the machine's byte order.
    ///
    /// - Parameter offset: in bytes, a multiple of the element's alignment; in bounds.
    @_lifetime(borrow self)
    package func elements<Element: FullyInhabited>(
        of type: Element.Type, atByteOffset offset: Int, count: Int
    ) -> Span<Element> {
        region.elements(of: type, atByteOffset: offset, count: count)
    }

    /// Hints at the use of `range` (byte offsets; nil means all), widened to whole pages.
    package func advise(
        _ hint: AccessHint, in range: Range<Int>? = nil
    ) throws(MappedMemoryError) {
        try region.advise(hint, in: range ?? 0..<byteCount, object: object)
    }
}
