package import Quantities

/// What a run did in emulated time: one event per operation and transfer, and the chain of
/// operations that decided the total.
package struct Timeline: Equatable, Sendable {
    package private(set) var events: [TimelineEvent] = []
    /// Gapless from the start: each segment begins where the one before ended.
    package private(set) var criticalPath: [PathSegment] = []

    package init() {}

    package mutating func add(_ event: TimelineEvent) { events.append(event) }

    /// Appends a segment that begins where the last one ended.
    package mutating func extendPath(_ segment: PathSegment) {
        if segment.duration > .zero { criticalPath.append(segment) }
    }

    /// Sum over the critical path.
    package var criticalDuration: EmulatedDuration {
        criticalPath.reduce(.zero) { $0 + $1.duration }
    }
}

/// One operation or transfer.
package struct TimelineEvent: Equatable, Sendable {
    package enum Kind: String, Sendable {
        /// A kernel of the GPU, its synchronisations included.
        case kernel
        /// One request on a DIMM.
        case request
        /// A message in a ring: while the slowest link on its way carries it.
        case message
        /// A transfer's occupancy of one link.
        case transfer
    }

    package let kind: Kind
    package let name: String
    /// `GPU`, `DIMM 3`, `ring to DIMM 3`, or a link's name.
    package let unit: String
    /// When it could have begun; what lies before the start is queueing.
    package let ready: EmulatedTime
    package let start: EmulatedTime
    package let end: EmulatedTime
    /// Generated token, from 0; -1 in the prefill.
    package let token: Int
    /// -1 outside the layers.
    package let layer: Int
    package let byteCount: UInt64
    package let macCount: UInt64
    /// What took the longest: memory, compute, read, multiply, link.
    package let bound: String
    /// What the bound's rate comes to, such as "51.2 GB/s".
    package let rate: String
    /// Ties a request's message, the request and the answer's message together; 0 for none.
    package let flow: UInt64

    package init(
        kind: Kind, name: String, unit: String, ready: EmulatedTime? = nil,
        start: EmulatedTime, end: EmulatedTime, token: Int, layer: Int, byteCount: UInt64,
        macCount: UInt64, bound: String,
        rate: String, flow: UInt64
    ) {
        self.kind = kind
        self.name = name
        self.unit = unit
        self.ready = ready ?? start
        self.start = start
        self.end = end
        self.token = token
        self.layer = layer
        self.byteCount = byteCount
        self.macCount = macCount
        self.bound = bound
        self.rate = rate
        self.flow = flow
    }
}

/// A stretch of the critical path.
package struct PathSegment: Equatable, Sendable {
    package let name: String
    package let unit: String
    package let token: Int
    package let layer: Int
    package let duration: EmulatedDuration

    package init(
        name: String, unit: String, token: Int, layer: Int, duration: EmulatedDuration
    ) {
        self.name = name
        self.unit = unit
        self.token = token
        self.layer = layer
        self.duration = duration
    }
}
