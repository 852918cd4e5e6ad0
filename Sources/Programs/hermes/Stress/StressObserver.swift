import Coordinator
import Quantities
import Telemetry

/// Turns a run's steps into its balance, and shows how far it is.
final class StressObserver: StepObserver {
    private(set) var meter: BalanceMeter
    /// Whether round trips are wall times, as under every clock but the virtual one.
    private let usesWallTime: Bool
    private let title: String
    private let tokenCount: Int
    private var token = 0
    private var layer = -1
    private var isTimed = true

    private static let dividedSteps: Set<String> = ["QKV", "MLP"]

    /// - Parameter title: what progress is shown under.
    init(slowdowns: [Double], usesWallTime: Bool, title: String, tokenCount: Int) {
        meter = BalanceMeter(slowdowns: slowdowns)
        self.usesWallTime = usesWallTime
        self.title = title
        self.tokenCount = tokenCount
    }

    func observe(_ step: StepObservation) {
        isTimed = step.duration != nil
        if step.layer != layer { meter.endLayer(isTimed: isTimed) }
        layer = step.layer
        let duration =
            step.duration?.picoseconds ?? UInt64(max(0, step.wallDuration.seconds * 1e9))
        guard step.layer >= 0 else {
            meter.pass(duration)
            return
        }
        for unit in step.units {
            if usesWallTime {
                meter.addRoundTrip(UInt64(max(0, unit.wallRoundTrip.seconds * 1e9)))
            } else if let roundTrip = unit.roundTrip {
                meter.addRoundTrip(roundTrip.picoseconds)
            }
        }
        add(step, duration: duration)
    }

    private func add(_ step: StepObservation, duration: UInt64) {
        var busy = Array(repeating: UInt64(0), count: meter.unitCount)
        var counts = busy
        for unit in step.units {
            busy[unit.dimm] = unit.busy
            counts[unit.dimm] = UInt64(unit.neuronCount)
        }
        switch (Self.dividedSteps.contains(step.name), isTimed) {
        case (true, true):
            meter.addDividedStep(
                duration: duration, kernel: step.kernelDuration.picoseconds, costs: busy)
        case (true, false): meter.addDividedStep(duration: duration, counts: counts)
        case (false, true): meter.addStep(duration: duration, costs: busy)
        case (false, false): meter.addStep(duration: duration)
        }
    }

    func endToken() {
        meter.endLayer(isTimed: isTimed)
        meter.endToken()
        token += 1
        Progress.show("\(title): token \(token) of \(tokenCount)")
    }
}
