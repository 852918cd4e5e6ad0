/// Private zero-filled memory of this process with one owner, for weights and caches.
///
/// Starts on a page boundary and shares its pages with nothing else, so that it can be bound to
/// a NUMA node as a whole and its page placement be proved. Pages appear on first touch: bind
/// before writing.
@safe
package struct AnonymousMapping: ~Copyable, Sendable {
    @usableFromInline var region: MappedRegion
    private let object: String

    /// Maps `byteCount` bytes, more than zero.
    ///
    /// - Parameter purpose: what messages call the memory, for instance "the weight shard".
    package static func create(
        byteCount: Int, purpose: String
    ) throws(MappedMemoryError) -> AnonymousMapping {
        let object = "\(purpose) (\(byteCount) bytes)"
        return AnonymousMapping(
            region: try .map(nil, byteCount: byteCount, isWritable: true, object: object),
            object: object)
    }

    /// As ``create(byteCount:purpose:)``, from the kernel's pool of huge pages (hugetlbfs). All
    /// pages are taken at once, under the calling thread's memory policy.
    ///
    /// - Parameter pageByteCount: size of the pool's pages, a power of two.
    /// - Throws: ``MappedMemoryError/system(_:object:cause:)`` with ``MappedMemoryError/Step``
    ///   `takeHugePages` where the pool, of the nodes that the policy allows, has too few.
    package static func createPooled(
        byteCount: Int, pageByteCount: Int, purpose: String
    ) throws(MappedMemoryError) -> AnonymousMapping {
        let object = "\(purpose) (\(byteCount) bytes)"
        return AnonymousMapping(
            region: try .mapPooled(
                byteCount: byteCount, pageByteCount: pageByteCount, object: object),
            object: object)
    }

    private init(region: consuming MappedRegion, object: String) {
        self.region = region
        self.object = object
    }

    /// Size in bytes, as asked for; the last page may reach further.
    package var byteCount: Int { region.byteCount }

    /// All of it, to read.
    @inlinable
    package var bytes: RawSpan {
        @_lifetime(borrow self)
        get { region.bytes }
    }

    /// All of it, to write.
    @inlinable
    package var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get { region.mutableBytes }
    }

    /// `count` elements from `offset` on.
    ///
    /// - Parameter offset: in bytes, a multiple of the element's alignment; in bounds.
    @_lifetime(borrow self)
    @inlinable
    package func elements<Element: FullyInhabited>(
        of type: Element.Type, atByteOffset offset: Int, count: Int
    ) -> Span<Element> {
        region.elements(of: type, atByteOffset: offset, count: count)
    }

    /// As ``elements(of:atByteOffset:count:)``, to write.
    @_lifetime(&self)
    @inlinable
    package mutating func mutableElements<Element: FullyInhabited>(
        of type: Element.Type, atByteOffset offset: Int, count: Int
    ) -> MutableSpan<Element> {
        region.mutableElements(of: type, atByteOffset: offset, count: count)
    }

    /// Locks all of it in memory (mlock), as far as RLIMIT_MEMLOCK or CAP_IPC_LOCK permits.
    package func lock() throws(MappedMemoryError) { try region.lock(object: object) }

    /// Hints at the use of `range` (byte offsets; nil means all), widened to whole pages.
    package func advise(
        _ hint: AccessHint, in range: Range<Int>? = nil
    ) throws(MappedMemoryError) {
        try region.advise(hint, in: range ?? 0..<byteCount, object: object)
    }
}
