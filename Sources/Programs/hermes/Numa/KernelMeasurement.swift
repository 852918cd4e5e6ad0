import ModelFile
import NUMABinding
import NeuronShards
import NodeMeasurement
import SeededRandom
import Transformer

/// Cold neurons under one placement: how long all layers' feed-forward products take.
struct KernelCell {
    let placement: NodePlacement
    let workerCount: Int
    /// Share of the neurons that are computed; 1 is dense.
    let activeShare: Double
    /// Seconds for all layers once, until the last worker is done.
    let seconds: Samples
    /// Weight bytes read in that time by all workers together.
    let byteCount: Int
}

/// Runs the workers' own kernel on the model's own weights, placed in several ways.
struct KernelMeasurement {
    let model: DecoderModel
    let nodes: [Int]
    let placements: [NodePlacement]
    let workerCounts: [Int]
    let activeShares: [Double]
    let roundCount: Int
    private static let passCount = 3

    /// Rounds go through all placements, so that a disturbance does not hit one alone.
    func measure() throws -> [KernelCell] {
        var seconds: [[Int]: [Double]] = [:]
        var digests: [[Int]: UInt64] = [:]
        for _ in 0..<roundCount {
            for (number, workerCount) in workerCounts.enumerated() {
                for (place, placement) in placements.enumerated() {
                    try Interruption.check()
                    let outcome = try run(placement, workerCount: workerCount)
                    for (share, times) in outcome.seconds.enumerated() {
                        seconds[[place, number, share], default: []] += times
                    }
                    // Placement may change the time only, never a bit of the result.
                    guard digests[[number], default: outcome.digest] == outcome.digest else {
                        throw Failure(.internalFault, "results differ between placements")
                    }
                    digests[[number]] = outcome.digest
                }
            }
        }
        return placements.indices.flatMap { place in
            workerCounts.indices.flatMap { number in
                activeShares.indices.map { share in
                    KernelCell(
                        placement: placements[place], workerCount: workerCounts[number],
                        activeShare: activeShares[share],
                        seconds: Samples(seconds[[place, number, share]] ?? [0]),
                        byteCount: byteCount(
                            workerCount: workerCounts[number], share: activeShares[share]))
                }
            }
        }
    }

    private func byteCount(workerCount: Int, share: Double) -> Int {
        let parcel = NeuronShard.parcelByteCount(weights: model.weights)
        return (0..<workerCount).reduce(0) { sum, worker in
            let count = slotCount(neurons(of: worker, workerCount).count, share: share)
            return sum + count * parcel * model.shape.layerCount
        }
    }

    private func neurons(of worker: Int, _ workerCount: Int) -> [UInt32] {
        stride(from: worker, to: model.shape.feedForwardSize, by: workerCount).map { UInt32($0) }
    }

    private func slotCount(_ count: Int, share: Double) -> Int {
        max(1, Int(Double(count) * share))
    }

    private struct WorkerTimes: Sendable {
        /// By share, then by pass.
        var parts: [[TimedPart]] = []
        var digest: UInt64 = 0
    }

    /// - Returns: seconds by share and pass; a digest of all results.
    private func run(
        _ placement: NodePlacement, workerCount: Int
    ) throws -> (seconds: [[Double]], digest: UInt64) {
        let lines = (0..<activeShares.count * Self.passCount).map { _ in
            NodeThreads.StartLine(count: workerCount)
        }
        let workers = try NodeThreads.run(count: workerCount) { worker in
            do {
                return .success(
                    try work(worker, of: workerCount, placement: placement, lines: lines))
            } catch {
                for line in lines { line.wait() }
                return .failure(Failure(.machineLacks, "worker \(worker): \(error)"))
            }
        }
        let seconds = activeShares.indices.map { share in
            (0..<Self.passCount).map { pass in TimedPart.span(workers.map { $0.parts[share][pass] })
            }
        }
        return (seconds, workers.reduce(0) { ($0 &* 31) &+ $1.digest })
    }

    /// Loads a worker's neurons as the placement wants them, and times the products.
    ///
    /// - Throws: before the first line is reached, or not at all.
    private func work(
        _ worker: Int, of workerCount: Int, placement: NodePlacement,
        lines: [NodeThreads.StartLine]
    ) throws -> WorkerTimes {
        let loadingNode = placement.loadingNode(ofWorker: worker, nodes: nodes)
        try NUMABinding.bindThreadCPUs(toNodes: [loadingNode])
        try NUMABinding.setThreadPolicy(placement.policy(ofWorker: worker, nodes: nodes))
        let own = neurons(of: worker, workerCount)
        let layerCount = model.shape.layerCount
        let shard = try NeuronShard(
            loading: NeuronAssignment(
                qkv: Array(repeating: [], count: layerCount),
                feedForward: Array(repeating: own, count: layerCount)),
            from: model.file, weights: model.weights, purpose: "a shard to measure")
        let home = NodePlacement.home(ofWorker: worker, nodes: nodes)
        try NUMABinding.bindThreadCPUs(toNodes: [home])
        return times(shard, slotCount: own.count, lines: lines)
    }

    private func times(
        _ shard: borrowing NeuronShard, slotCount: Int, lines: [NodeThreads.StartLine]
    ) -> WorkerTimes {
        var random = SplitMix64(seed: 1)
        let input = (0..<model.shape.hiddenSize).map { _ in
            Float(random.nextUnitInterval()) - 0.5
        }
        var scratch = FeedForwardScratch(slotCount: slotCount)
        var sum = PartialSum(
            count: max(model.shape.hiddenSize, model.shape.qkvWidth), isWide: false)
        var result = WorkerTimes()
        for (index, share) in activeShares.enumerated() {
            let count = self.slotCount(slotCount, share: share)
            // A seeded choice, ascending, as a scheduler would send it.
            let slots = Array((0..<UInt32(slotCount)).shuffled(using: &random)[..<count]).sorted()
            var parts: [TimedPart] = []
            for pass in 0..<Self.passCount {
                lines[index * Self.passCount + pass].wait()
                let part = TimedPart {
                    for layer in 0..<model.shape.layerCount {
                        _ = shard.feedForward(
                            layer: layer, input: input, slots: slots, count: count, rule: nil,
                            scratch: &scratch, into: &sum)
                    }
                }
                parts.append(part)
            }
            result.parts.append(parts)
            for value in sum.narrow {
                result.digest = (result.digest &* 31) &+ UInt64(value.bitPattern)
            }
        }
        return result
    }
}
