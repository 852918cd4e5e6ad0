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
    /// What one DIMM's time can come to at most, ps × samples.
    let ceiling: Double

    init(problem: PartitionProblem, step: Int, curve: FrequencyCurve) {
        let times = problem.dimmPicoseconds[step]
        activity = Double(curve.total)
        gpuTime = Double(problem.steps[step].gpuTime.picoseconds)
        pooledDIMMTime = 1 / times.reduce(0.0) { $0 + 1 / Double($1) }
        floor = Double(problem.synchronisationFloor)
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
