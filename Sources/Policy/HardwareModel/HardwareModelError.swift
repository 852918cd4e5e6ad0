package import Quantities

/// What a topology, a model's shape or a row of a table can ask that no model here can answer.
package enum HardwareModelError: Error, Equatable, CustomStringConvertible {
    case unknownMapping(String)
    case unknownMode(String)
    case unknownPattern(String)
    /// A field of a row is not what its column wants.
    case invalidField(name: String, text: String, wanted: String)
    case notAPowerOfTwo(name: String, value: Int)
    case lineLongerThanRow(lineByteCount: Int, rowByteCount: Int)
    case tooManyBanks(Int, limit: Int)
    case queueDepthOutOfRange(Int, possible: ClosedRange<Int>)
    case timingOutOfRange(names: [String])
    case refreshNeverEnds(cycleCount: Int, interval: Int)
    case blockOutOfRange(byteCount: Int, possible: ClosedRange<Int>)
    /// Even cut to one line of each neuron, vectors of one sequence exceed the NDP core's buffer.
    case bufferTooSmall(needed: ByteCount, capacity: ByteCount)
    case gpuMemoryExceeded(purpose: String, needed: ByteCount, left: ByteCount)

    package var description: String {
        switch self {
        case .unknownMapping(let text):
            "address mapping '\(text)' is not modelled; known: RoRaBaCoBg, RoBaRaCoCh, ChRaBaRoCo"
        case .unknownMode(let text):
            "mode '\(text)' is unknown; known: host_channel, ndp_center_buffer"
        case .unknownPattern(let text):
            "pattern '\(text)' is unknown; known: seq, rand_block"
        case .invalidField(let name, let text, let wanted):
            "\(name) '\(text)' is not \(wanted)"
        case .notAPowerOfTwo(let name, let value):
            "DRAM \(name): \(value) is not a power of two up to 16777216"
        case .lineLongerThanRow(let lineByteCount, let rowByteCount):
            "DRAM line of \(lineByteCount) B is longer than its row of \(rowByteCount) B"
        case .tooManyBanks(let count, let limit):
            "DRAM with \(count) banks on one bus: at most \(limit) are modelled"
        case .queueDepthOutOfRange(let depth, let possible):
            "DRAM queue depth \(depth) is outside \(possible)"
        case .timingOutOfRange(let names):
            "DRAM timing outside 1...\(DRAMTiming.maximum) cycles: \(names.joined(separator: ", "))"
        case .refreshNeverEnds(let cycleCount, let interval):
            "DRAM refresh takes \(cycleCount) cycles of every \(interval): nothing is ever read"
        case .blockOutOfRange(let byteCount, let possible):
            "block of \(byteCount) B is outside \(possible) B"
        case .bufferTooSmall(let needed, let capacity):
            "NDP buffer of \(capacity) cannot hold the \(needed) of one sequence's smallest tile"
        case .gpuMemoryExceeded(let purpose, let needed, let left):
            "GPU memory: \(purpose) needs \(needed), \(left) are left"
        }
    }
}
