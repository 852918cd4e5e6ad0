/// A view of a ``SharedSegment`` with one owner in this process; unmapped when the owner dies.
///
/// Another process writes the same bytes at any time, so no span over them is handed out: users
/// reach fields through atomics, and copy a record before they check it.
@safe
package struct SharedMapping: ~Copyable, Sendable {
    let region: MappedRegion

    init(adopting region: consuming MappedRegion) { self.region = region }

    /// Size of the view, in bytes: the whole segment.
    package var byteCount: Int { region.byteCount }
}
