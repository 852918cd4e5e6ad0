/// A view of a ``SharedSegment`` with one owner in this process; unmapped when the owner dies.
///
/// Another process writes the same bytes at any time, so no span over them is handed out: users
/// reach fields through atomics, and copy a record before they check it.
@safe
package struct SharedMapping: ~Copyable, Sendable {
    private let region: MappedRegion

    init(adopting region: consuming MappedRegion) { self.region = region }

    /// Size of the view, in bytes: the whole segment.
    package var byteCount: Int { region.byteCount }

    /// The address of a field, checked to lie inside the mapping; valid while `self` lives.
    @unsafe
    package func address(atByteOffset offset: Int, byteCount: Int) -> UnsafeMutableRawPointer {
        unsafe region.address(atByteOffset: offset, byteCount: byteCount)
    }
}
