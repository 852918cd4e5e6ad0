package import Quantities

/// A transfer over several links: the booking of the one that it waited for longest.
package struct PathBooking: Hashable, Sendable {
    /// Index of the link with the latest arrival; the first of equals.
    package let bottleneck: Int
    /// That link's booking, so that queueing, occupancy and latency add up to the whole span.
    package let booking: Booking

    package var arrival: EmulatedTime { booking.arrival }
}

/// All links of a run, by index, with one owner.
package struct LinkTable: Hashable, Sendable {
    package private(set) var links: [LinkSchedule]

    package init(_ links: [LinkSchedule]) { self.links = links }

    package subscript(index: Int) -> LinkSchedule { links[index] }

    /// Sends `byteCount` bytes over all links of `path` at once: each is booked from `readyAt`,
    /// and the transfer is over at the latest of them. Equal bookings in equal order give equal
    /// times, so the caller books by (ready time, DIMM index).
    ///
    /// - Parameters:
    ///   - path: at least one index, each at most once.
    ///   - record: sees each link's booking, in path order, for traces.
    /// - Throws: ``PacingError/emulatedTimeOverflow(byteCount:readyAt:)``, with no link changed.
    package mutating func transfer(
        _ byteCount: ByteCount, over path: [Int], readyAt: EmulatedTime,
        record: (_ link: Int, Booking) -> Void = { _, _ in }
    ) throws(PacingError) -> PathBooking {
        precondition(!path.isEmpty)
        // Asked first: a path either has all of its links or none.
        for (position, link) in path.enumerated() {
            precondition(!path[..<position].contains(link), "a path has each link once")
            _ = try links[link].booking(of: byteCount, readyAt: readyAt)
        }
        var slowest: PathBooking?
        for link in path {
            let booking = try links[link].book(byteCount, readyAt: readyAt)
            record(link, booking)
            if slowest.map({ $0.arrival < booking.arrival }) ?? true {
                slowest = PathBooking(bottleneck: link, booking: booking)
            }
        }
        guard let slowest else { preconditionFailure("the path is not empty") }
        return slowest
    }
}
