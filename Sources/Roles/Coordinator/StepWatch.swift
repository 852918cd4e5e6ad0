import Messages
import Pacing
package import Quantities

/// One step of a run by shape as it went: what a stress test measures.
package struct StepObservation: Sendable {
    /// A DIMM's part in a step.
    package struct Unit: Sendable {
        package let dimm: Int
        /// Emulated picoseconds of its work; 0 where no time is kept.
        package let busy: UInt64
        /// Neurons that it computed.
        package let neuronCount: Int
        /// From the request's departure to the reply's arrival, links and work included; `nil`
        /// where no time is kept.
        package fileprivate(set) var roundTrip: EmulatedDuration?
        /// The same in wall time, until the coordinator took the reply. It takes replies in DIMM
        /// order, so one that came before its turn waited for the earlier ones.
        package let wallRoundTrip: Duration
    }

    /// `QKV`, `attention`, `projection`, `MLP`, `merge MLP`, `output head`, ...
    package let name: String
    /// -1 for what is outside of the layers.
    package let layer: Int
    /// Emulated; `nil` where no time is kept.
    package let duration: EmulatedDuration?
    package let wallDuration: Duration
    /// The GPU's part of it; zero where no time is kept.
    package let kernelDuration: EmulatedDuration
    /// Those that took part, in DIMM order.
    package let units: [Unit]
}

/// Who is told of every step and token of a run by shape, once emulated time has begun.
package protocol StepObserver: AnyObject {
    func observe(_ step: StepObservation)
    func endToken()
}

/// Collects a step for an observer; does nothing without one.
struct StepWatch {
    var observer: (any StepObserver)?
    private var name = ""
    private var layer = -1
    private var start = ContinuousClock.now
    private var departures: [Int: ContinuousClock.Instant] = [:]
    private var units: [StepObservation.Unit] = []

    mutating func begin(_ name: String, layer: Int) {
        guard observer != nil else { return }
        self.name = name
        self.layer = layer
        start = .now
        departures.removeAll(keepingCapacity: true)
        units.removeAll(keepingCapacity: true)
    }

    mutating func sent(to dimm: Int) {
        guard observer != nil else { return }
        departures[dimm] = .now
    }

    mutating func received(_ answer: Answer, from dimm: Int) {
        guard observer != nil else { return }
        let departure = departures[dimm] ?? start
        units.append(
            StepObservation.Unit(
                dimm: dimm, busy: answer.report.busyPicoseconds, neuronCount: answer.activeCount,
                wallRoundTrip: departure.duration(to: .now)))
    }

    /// - Parameter end: `nil` where no time is kept.
    mutating func end(_ end: Timekeeper.StepEnd?) {
        guard let observer else { return }
        var units = units.sorted { $0.dimm < $1.dimm }
        if let end {
            for index in units.indices {
                units[index].roundTrip = end.arrivals[units[index].dimm].map { $0 - end.start }
            }
        }
        observer.observe(
            StepObservation(
                name: name, layer: layer, duration: end.map { $0.end - $0.start },
                wallDuration: start.duration(to: .now),
                kernelDuration: end?.kernelDuration ?? .zero, units: units))
    }
}
