import Pacing
import Quantities

extension Timekeeper {
    /// How a step ended.
    struct StepEnd {
        enum Last {
            /// The last reply, which came later than the GPU was done.
            case reply(arrival: EmulatedTime)
            /// The GPU, which worked this long since the step began.
            case kernels(end: EmulatedTime, duration: EmulatedDuration)
        }

        let last: Last
        /// The replies in the order in which they have the links.
        let replies: [(dimm: Int, ready: EmulatedTime, byteCount: Int)]
        /// The step's own span, and the GPU's part of it.
        let start: EmulatedTime
        let end: EmulatedTime
        let kernelDuration: EmulatedDuration
        /// When each DIMM's reply arrived.
        let arrivals: [Int: EmulatedTime]
    }
}
