import ActivationPredictor
import PackedSets
import Quantities
import Scheduling
import Synchronization

/// Replays one trace for all predictors and rebalancers at once, so that it is read once and
/// never held.
struct PolicyScoring {
    private let layout: NeuronLayout
    private let prefillTokenCount: Int
    private let stopwatches: [Stopwatch]
    private var predictors: TraceScoring
    private var rebalancers: [RebalanceScoring] = []
    private var tokenCount = 0

    init(
        layout: NeuronLayout, prefillTokenCount: Int, feedback: Feedback,
        constants: PredictorConstants, conditional: CorrelationTable, jaccard: CorrelationTable
    ) {
        let timed = TraceScoring.standardPredictors(
            layout: layout, constants: constants, conditional: conditional, jaccard: jaccard
        ).map { TimedPredictor(base: $0) }
        self.layout = layout
        self.prefillTokenCount = prefillTokenCount
        stopwatches = timed.map(\.stopwatch)
        predictors = TraceScoring(
            layout: layout, predictors: timed, prefillTokenCount: prefillTokenCount,
            feedback: feedback)
    }

    /// Every rebalancer from every initial placement.
    mutating func addRebalancers(
        dimmCount: Int, hotShare: Proportion, seed: UInt64, windowTokenCount: Int,
        minimumLoadPercent: Int
    ) {
        let layout = layout
        let choices: [RebalanceScoring.Choice] = [
            { _, _ in NoRebalancer() },
            { StaticFrequencyRebalancer(prefill: $0, hot: $1) },
            { _, _ in WindowRebalancer(layout: layout, windowTokenCount: windowTokenCount) },
            { _, _ in
                WindowRebalancer(
                    layout: layout, windowTokenCount: windowTokenCount,
                    minimumLoadPercent: minimumLoadPercent)
            },
            { _, _ in
                LongestProcessingTimeRebalancer(
                    layout: layout, windowTokenCount: windowTokenCount)
            },
            { _, _ in OracleRebalancer() },
        ]
        let placements: [InitialPlacement] = [
            .contiguous, .roundRobin, .random(seed: seed), .frequencyBalanced, .frequencySorted,
        ]
        for placement in placements {
            for choice in choices {
                rebalancers.append(
                    RebalanceScoring(
                        layout: layout, dimmCount: dimmCount, placement: placement,
                        hotShare: hotShare, prefillTokenCount: prefillTokenCount,
                        rebalancer: choice))
            }
        }
    }

    /// Replays the next token: its active neurons, [layers][blocks].
    mutating func add(token: [[PackedSet]]) throws {
        predictors.add(token: token)
        for index in rebalancers.indices {
            do {
                try rebalancers[index].add(token: token)
            } catch {
                throw Failure(.internalFault, "a rebalancer asked for the impossible: \(error)")
            }
        }
        tokenCount += 1
    }

    /// Each predictor's score, and how long a token took it: predictions and updates.
    var predictorResults: [TimedPredictionResult] {
        let decodeTokenCount = max(1, tokenCount - prefillTokenCount)
        return zip(predictors.results, stopwatches).map { result, stopwatch in
            TimedPredictionResult(
                score: result, secondsPerToken: stopwatch.seconds / Double(decodeTokenCount))
        }
    }

    var rebalanceResults: [RebalanceResult] { rebalancers.compactMap(\.result) }
}

struct TimedPredictionResult {
    let score: PredictionResult
    /// Wall time on this machine.
    let secondsPerToken: Double
}

/// Adds up wall time; copies of a predictor share one.
final class Stopwatch: Sendable {
    private let nanoseconds = Atomic<Int64>(0)

    var seconds: Double { Double(nanoseconds.load(ordering: .relaxed)) * 1e-9 }

    func add(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        nanoseconds.add(
            seconds * 1_000_000_000 + attoseconds / 1_000_000_000, ordering: .relaxed)
    }
}

/// A predictor whose predictions and updates are timed; what the prompt costs is not.
private struct TimedPredictor: ActivityPredictor {
    private var base: any ActivityPredictor
    let stopwatch = Stopwatch()
    private let clock = ContinuousClock()

    init(base: any ActivityPredictor) { self.base = base }

    var name: String { base.name }
    var needsTruth: Bool { base.needsTruth }
    var byteCount: Int { base.byteCount }

    mutating func beginDecode(after prefill: PrefillActivity) {
        base.beginDecode(after: prefill)
    }

    mutating func beginToken() { base.beginToken() }

    mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        let start = clock.now
        base.predict(
            layer: layer, block: block, parents: parents, truth: truth, into: &predicted)
        stopwatch.add(start.duration(to: clock.now))
    }

    mutating func observe(layer: Int, block: Int, active: PackedSet, observed: PackedSet?) {
        let start = clock.now
        base.observe(layer: layer, block: block, active: active, observed: observed)
        stopwatch.add(start.duration(to: clock.now))
    }
}
