import Quantities

/// What each DIMM computed, counted in work, not in time: equal under every clock and load.
package struct WorkLedger: Sendable {
    /// Active cold neurons that each DIMM computed over the run, both blocks.
    package private(set) var activeNeurons: [Int]
    /// Multiply-accumulates of each DIMM over the run.
    package private(set) var multiplyAccumulates: [Int]
    /// Weights of cold neurons that each unit read over the run to compute them, bytes: what
    /// several sequences need is read once. Runs by shape alone count it.
    package private(set) var neuronReadByteCounts: [Int]
    /// Keys and values that each unit read over the run, bytes: those of a KV head once for all of
    /// its query heads. Runs by shape alone count it.
    package private(set) var keyValueReadByteCounts: [Int]
    /// Slowest DIMM over the mean, per token: in emulated time, or in multiply-accumulates where
    /// no time is kept.
    package private(set) var imbalances: [Double] = []
    /// Bytes of the hot neurons' copies in the GPU role.
    package internal(set) var hotWeightByteCount = 0
    private var ofToken: [Int]

    init(dimmCount: Int) {
        activeNeurons = Array(repeating: 0, count: dimmCount)
        multiplyAccumulates = activeNeurons
        ofToken = activeNeurons
        neuronReadByteCounts = activeNeurons
        keyValueReadByteCounts = activeNeurons
    }

    /// Of all units.
    package var neuronReadByteCount: Int { neuronReadByteCounts.reduce(0, +) }
    package var keyValueReadByteCount: Int { keyValueReadByteCounts.reduce(0, +) }

    mutating func beginToken() {
        for dimm in ofToken.indices { ofToken[dimm] = 0 }
    }

    mutating func add(neurons: Int, multiplyAccumulates count: Int, toDIMM dimm: Int) {
        activeNeurons[dimm] += neurons
        multiplyAccumulates[dimm] += count
        ofToken[dimm] += count
    }

    mutating func add(neuronReads byteCount: UInt64, ofDIMM dimm: Int) {
        neuronReadByteCounts[dimm] += Int(clamping: byteCount)
    }

    mutating func add(keyValueReads byteCount: UInt64, ofDIMM dimm: Int) {
        keyValueReadByteCounts[dimm] += Int(clamping: byteCount)
    }

    /// - Parameter busy: each DIMM's emulated time on the token, where it is kept.
    mutating func endToken(busy: [EmulatedDuration]?) {
        if let busy {
            let total = busy.reduce(0.0) { $0 + Double($1.picoseconds) }
            guard let most = busy.max(), total > 0 else { return }
            imbalances.append(Double(most.picoseconds) * Double(busy.count) / total)
            return
        }
        let total = ofToken.reduce(0, +)
        guard let most = ofToken.max(), total > 0 else { return }
        imbalances.append(Double(most * ofToken.count) / Double(total))
    }
}
