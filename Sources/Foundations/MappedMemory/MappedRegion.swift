// The only file of this module that holds raw pointers: a mapped address range with one owner.
// Everything that leaves it is a span bounded by the owner's lifetime, or marked `@unsafe`.

import Glibc
import Synchronization
import SystemPackage

/// What the kernel should expect of a mapping; a hint changes speed, never contents.
package enum AccessHint: Sendable {
    /// Read ahead now.
    case willNeed
    /// Do not read ahead.
    case random
    /// Read ahead generously.
    case sequential
    /// Collapse into huge pages where the kernel permits: fewer TLB misses in long scans.
    case hugePages
    /// Collapse the pages that are there now, at once (Linux 6.1).
    case collapsed

    fileprivate var argument: Int32 {
        switch self {
        case .willNeed: MADV_WILLNEED
        case .random: MADV_RANDOM
        case .sequential: MADV_SEQUENTIAL
        case .hugePages: MADV_HUGEPAGE
        case .collapsed: 25  // MADV_COLLAPSE, which glibc's headers do not name yet
        }
    }
}

/// A type of which every bit pattern is a value, so that any memory may be read as it.
@usableFromInline
package protocol FullyInhabited: BitwiseCopyable {}

extension Float: FullyInhabited {}
extension Double: FullyInhabited {}
extension Int8: FullyInhabited {}
extension UInt8: FullyInhabited {}
extension Int16: FullyInhabited {}
extension UInt16: FullyInhabited {}
extension Int32: FullyInhabited {}
extension UInt32: FullyInhabited {}
extension Int64: FullyInhabited {}
extension UInt64: FullyInhabited {}

/// An address range from mmap(2) with one owner; unmapped when the owner dies.
///
/// Noncopyable, so that neither a double unmap nor a use after unmap compiles. Sendable is sound:
/// moving the struct moves this process's only handle to the addresses, and mutable views need
/// exclusive access to it.
@safe
@usableFromInline
struct MappedRegion: ~Copyable, @unchecked Sendable {
    @usableFromInline let byteCount: Int
    @usableFromInline let base: UnsafeMutableRawPointer
    /// What mmap(2) gave, and munmap(2) takes back: whole huge pages, where there are such.
    private let mappedByteCount: Int

    /// Maps `byteCount` bytes, of `descriptor` or (when nil) of private zero-filled memory.
    static func map(
        _ descriptor: FileDescriptor?, byteCount: Int, isWritable: Bool, object: String
    ) throws(MappedMemoryError) -> MappedRegion {
        precondition(byteCount > 0)
        let protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
        let flags = descriptor == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED
        let address = unsafe mmap(
            nil, byteCount, protection, flags, descriptor?.rawValue ?? -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw .system(.map, object: object, cause: .current)
        }
        return unsafe MappedRegion(
            adopting: address, byteCount: byteCount, mappedByteCount: byteCount)
    }

    /// Maps private zero-filled memory of the kernel's pool of huge pages, and takes every page at
    /// once: a page that the pool lacks would be a bus error at its first use.
    ///
    /// - Parameter pageByteCount: a power of two, of which the kernel has a pool.
    static func mapPooled(
        byteCount: Int, pageByteCount: Int, object: String
    ) throws(MappedMemoryError) -> MappedRegion {
        precondition(byteCount > 0)
        precondition(pageByteCount > 0 && pageByteCount.nonzeroBitCount == 1)
        let mapped = (byteCount + pageByteCount - 1) / pageByteCount * pageByteCount
        // The size stands as its logarithm above bit 26: MAP_HUGE_SHIFT, mmap(2).
        let size = Int32(pageByteCount.trailingZeroBitCount) << 26
        let address = unsafe mmap(
            nil, mapped, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw .system(.takeHugePages, object: object, cause: .current)
        }
        let region = unsafe MappedRegion(
            adopting: address, byteCount: byteCount, mappedByteCount: mapped)
        let populateForWriting: Int32 = 23  // MADV_POPULATE_WRITE, Linux 5.14: fails, never faults
        guard unsafe madvise(region.base, mapped, populateForWriting) == 0 else {
            throw .system(.takeHugePages, object: object, cause: .current)
        }
        return region
    }

    @unsafe
    private init(adopting base: UnsafeMutableRawPointer, byteCount: Int, mappedByteCount: Int) {
        unsafe self.base = base
        self.byteCount = byteCount
        self.mappedByteCount = mappedByteCount
    }

    deinit {
        let status = unsafe munmap(base, mappedByteCount)
        precondition(status == 0, "munmap of an owned region cannot fail")
    }

    /// The address of a field, checked to lie inside the region.
    @unsafe @inlinable
    func address(atByteOffset offset: Int, byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(offset >= 0 && byteCount >= 0)
        precondition(offset <= self.byteCount && byteCount <= self.byteCount - offset)
        return unsafe base + offset
    }

    /// All of it, to read.
    @inlinable
    var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeStart: base, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// All of it, to write.
    @inlinable
    var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            let span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// `count` elements from `offset` on, which must be aligned for them.
    @_lifetime(borrow self)
    @inlinable
    func elements<Element: FullyInhabited>(
        of type: Element.Type, atByteOffset offset: Int, count: Int
    ) -> Span<Element> {
        let byteCount = count * MemoryLayout<Element>.stride
        let start = unsafe address(atByteOffset: offset, byteCount: byteCount)
        let buffer = unsafe UnsafeRawBufferPointer(start: start, count: byteCount)
        let span = unsafe Span<Element>(_unsafeBytes: buffer)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// As ``elements(of:atByteOffset:count:)``, to write.
    @_lifetime(&self)
    @inlinable
    mutating func mutableElements<Element: FullyInhabited>(
        of type: Element.Type, atByteOffset offset: Int, count: Int
    ) -> MutableSpan<Element> {
        let byteCount = count * MemoryLayout<Element>.stride
        let start = unsafe address(atByteOffset: offset, byteCount: byteCount)
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: start, count: byteCount)
        let span = unsafe MutableSpan<Element>(_unsafeBytes: buffer)
        return unsafe _overrideLifetime(span, mutating: &self)
    }

    /// Hints at the use of `range` (byte offsets), widened to whole pages.
    func advise(
        _ hint: AccessHint, in range: Range<Int>, object: String
    ) throws(MappedMemoryError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        guard !range.isEmpty else { return }
        let start = range.lowerBound / pageByteCount * pageByteCount
        let status = unsafe madvise(base + start, range.upperBound - start, hint.argument)
        guard status == 0 else { throw .system(.advise, object: object, cause: .current) }
    }
}

extension MappedRegion {
    /// Keeps all of it in memory until it is unmapped, touching what was not.
    func lock(object: String) throws(MappedMemoryError) {
        guard unsafe mlock(base, byteCount) == 0 else {
            throw .system(.lock, object: object, cause: .current)
        }
    }
}

/// Bytes in one page of this machine.
package let pageByteCount = Int(getpagesize())

extension SharedMapping {
    /// Where some whole pages lie in this process, for calls that take addresses and touch nothing.
    ///
    /// - Parameter range: byte offsets; the lower one on a page boundary.
    package func addresses(of range: Range<Int>) -> Range<UInt> {
        let start = unsafe UInt(
            bitPattern: address(atByteOffset: range.lowerBound, byteCount: range.count))
        return start..<start + UInt(range.count)
    }

    /// Makes every page of a range present in this process, changing nothing.
    package func touch(_ range: Range<Int>) {
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: pageByteCount) {
            let word = unsafe address(atByteOffset: offset, byteCount: 4)
                .assumingMemoryBound(to: Atomic<UInt32>.self)
            _ = unsafe word.pointee.load(ordering: .relaxed)
        }
    }

    /// The address of a field, checked to lie inside the mapping; valid while `self` lives.
    @unsafe
    package func address(atByteOffset offset: Int, byteCount: Int) -> UnsafeMutableRawPointer {
        unsafe region.address(atByteOffset: offset, byteCount: byteCount)
    }
}
