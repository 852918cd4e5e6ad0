import MappedMemory

/// Wakes the coordinator's end of a link out of its sleep on a doorbell, from any thread: it then
/// asks its watch whether waiting still makes sense.
package final class RingWaker: Sendable {
    private let mapping: SharedMapping
    private let layout: RingLayout

    package init(_ segment: borrowing RingSegment) throws(RingError) {
        mapping = try segment.map()
        layout = segment.layout
    }

    package func wake() {
        let end = RingEnd.coordinator
        RingView(end.incoming, in: mapping, layout: layout).dataDoorbell.ring()
        RingView(end.outgoing, in: mapping, layout: layout).roomDoorbell.ring()
    }
}
