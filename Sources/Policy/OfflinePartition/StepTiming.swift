import Quantities

/// What a step costs at best for a given activity on the GPU, cold neurons dividing at will.
///
/// DIMMs that all finish at time T do T Σ 1/tⱼ of work, so DIMMs never finish sooner together than
/// (F - h) / Σ 1/tⱼ: a lower bound whatever their memories, reached when loads balance exactly.
struct StepTiming {
    /// F, activity of all neurons.
    let activity: Double
    /// Time of one activation on the GPU, ps.
    let gpuTime: Double
    /// 1 / Σ 1/tⱼ: time of one activation on all DIMMs together, ps.
    let pooledDIMMTime: Double
    /// 2 T_sync, ps × samples.
    let floor: Double
    /// What the step takes at best, ps × samples: ``floor`` or, where all neurons are equally
    /// frequent, the best that whole neurons can do, in any memory.
    let leastTime: Double
    /// What one DIMM's time can come to at most, ps × samples.
    let ceiling: Double

    init(problem: PartitionProblem, step: Int, curve: FrequencyCurve) {
        let times = problem.dimmPicoseconds[step]
        activity = Double(curve.total)
        gpuTime = Double(problem.steps[step].gpuTime.picoseconds)
        pooledDIMMTime = 1 / times.reduce(0.0) { $0 + 1 / Double($1) }
        floor = Double(problem.synchronisationFloor)
        leastTime = max(
            floor,
            EqualNeurons(problem: problem, step: step, curve: curve).map {
                Double($0.leastTime()).nextDown
            } ?? 0)
        let slowestTime = Double(times.max() ?? 0)
        ceiling = max(floor + gpuTime * activity, slowestTime * activity)
    }

    /// ps × samples at hot activity `hot`.
    func time(hotActivity hot: Double) -> Double {
        max(gpuTime * hot + floor, pooledDIMMTime * (activity - hot))
    }

    /// The hot activity at which GPU and DIMMs finish together; zero when the GPU always is last.
    var balancedHotActivity: Double {
        let rate = gpuTime + pooledDIMMTime
        guard rate > 0 else { return 0 }
        return min(max(0, (pooledDIMMTime * activity - floor) / rate), activity)
    }
}

/// A step whose neurons are all equally frequent, as those of a QKV block whose input is never
/// zero: the pooled DIMMs would share out fractions of neurons, and what rounding costs is known.
private struct EqualNeurons {
    private let neuronCount: Int
    private let hotLimit: Int
    /// The GPU's time without hot neurons and for each of them, ps × samples.
    private let floor: UInt64
    private let gpuTime: UInt64
    /// Of one cold neuron, ps × samples, [DIMMs].
    private let dimmTimes: [UInt64]

    /// - Returns: nil where neurons differ, or none is ever active.
    init?(problem: PartitionProblem, step: Int, curve: FrequencyCurve) {
        guard let most = curve.counts.first, most == curve.counts.last, most > 0 else { return nil }
        neuronCount = curve.neuronCount
        hotLimit = problem.hotLimit(ofStep: step)
        floor = problem.synchronisationFloor
        gpuTime = problem.steps[step].gpuTime.picoseconds * UInt64(most)
        dimmTimes = problem.dimmPicoseconds[step].map { $0 * UInt64(most) }
    }

    /// The GPU takes longer with each hot neuron, the DIMMs never do: the best lies where they
    /// cross.
    func leastTime() -> UInt64 {
        var (low, high) = (0, hotLimit)
        while low < high {
            let middle = (low + high) / 2
            if gpu(middle) >= dimms(middle) { high = middle } else { low = middle + 1 }
        }
        let crossed = max(gpu(low), dimms(low))
        return low == 0 ? crossed : min(crossed, max(gpu(low - 1), dimms(low - 1)))
    }

    private func gpu(_ hotCount: Int) -> UInt64 { floor + gpuTime * UInt64(hotCount) }

    /// The least time in which the DIMMs are through with all neurons but the hot ones.
    private func dimms(_ hotCount: Int) -> UInt64 {
        let coldCount = UInt64(neuronCount - hotCount)
        guard coldCount > 0, let fastest = dimmTimes.min(), fastest > 0 else { return 0 }
        var (low, high) = (UInt64(0), fastest * coldCount)
        while low < high {
            let middle = low + (high - low) / 2
            let done = dimmTimes.reduce(UInt64(0)) { $0 + middle / $1 }
            if done >= coldCount { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
