package import ModelCatalogue
import Quantities

/// The closed form of the Hermes family's speed.
///
/// Two uses only: calibration, which needs thousands of evaluations, and a check that the
/// emulation, which runs as processes, stays near it. Equations: the article BaselineTiming.
package struct HermesEstimate: Sendable {
    package let model: ModelSpecification
    package let machine: EstimatedMachine
    package let frequencies: NeuronFrequencies

    package init(
        model: ModelSpecification, machine: EstimatedMachine, frequencies: NeuronFrequencies
    ) {
        self.model = model
        self.machine = machine
        self.frequencies = frequencies
    }

    /// Seconds of the whole batch.
    package struct Time: Equatable, Sendable {
        package var prefill: Double
        package var qkv: Double
        package var attention: Double
        package var projection: Double
        package var mlp: Double
        package var head: Double
        /// Of one token of each sequence.
        package var token: Double { qkv + attention + projection + mlp + head }
    }

    package func tokensPerSecond(
        _ system: ComparedSystem, workload: Workload, systems: ComparedSystems
    ) -> Double {
        let time = time(system, workload: workload, systems: systems)
        let tokens = Double(workload.tokenCount)
        return Double(workload.batchSize) * tokens / (time.prefill + tokens * time.token)
    }

    /// - Precondition: `system` is of the Hermes family.
    package func time(
        _ system: ComparedSystem, workload: Workload, systems: ComparedSystems
    ) -> Time {
        switch system {
        case .hermes:
            sparse(workload, systems, cold: NearDataCold(systems: systems, estimate: self))
        case .hermesHost:
            sparse(workload, systems, cold: HostCold(systems: systems, estimate: self))
        case .hermesBase: dense(workload, systems: systems)
        default: preconditionFailure("\(system.rawValue) is not of the Hermes family")
        }
    }

    /// Bytes of QKV and of MLP in one layer, and of the projection.
    private var qkvByteCount: Double { Double(model.hiddenSize * model.qkvNeuronByteCount) }
    private var mlpByteCount: Double {
        Double(model.feedForwardSize * model.feedForwardNeuronByteCount)
    }
    private var neuronByteCount: Double {
        Double(model.layerCount) * Double(model.layerNeuronByteCount)
    }

    /// GPU memory that is left for neurons.
    private var freeByteCount: Double {
        max(0, machine.gpuUsableByteCount - Double(model.denseByteCount))
    }

    /// Share of the neurons that is hot: the policy's, or what fits.
    package var hotShare: Double { min(machine.hotShareLimit, freeByteCount / neuronByteCount) }

    /// Of whole layers that are resident or not: while a layer is computed the next one arrives, so
    /// resident ones take their arithmetic, and the others the longer of that and their transfer.
    private func prefill(_ workload: Workload, residentLayerCount: Double) -> Double {
        let layers = Double(model.layerCount)
        let all = prefill(workload, residentByteCount: Double(model.weightByteCount))
        let streamed = max(all / layers, neuronByteCount / layers / machine.linkBytesPerSecond)
        return residentLayerCount * all / layers + (layers - residentLayerCount) * streamed
    }

    /// max(the weights that are not resident / link, arithmetic of all tokens on the GPU): where
    /// every layer has the same share of what is resident.
    private func prefill(_ workload: Workload, residentByteCount: Double) -> Double {
        let missing = Double(model.weightByteCount) - residentByteCount
        let operations =
            2 * Double(model.weightCount) * Double(workload.promptTokenCount)
            * Double(workload.batchSize)
        return max(
            missing / machine.linkBytesPerSecond, operations / machine.gpuOperationsPerSecond)
    }
}

// MARK: - Hermes and Hermes-host

/// What computes the cold neurons and attention.
private protocol ColdUnit {
    /// Seconds for a share of a block's neurons; `byteCount` and `weightCount` are the block's.
    func block(
        byteCount: Double, weightCount: Double, load: NeuronFrequencies.Load, isQKV: Bool
    ) -> Double
    /// Seconds for one layer at a context.
    func attention(_ workload: Workload, contextLength: Double) -> Double
    var synchronisation: Double { get }
    /// Units that each get the inputs and send a sum: the DIMMs, or the host.
    var unitCount: Double { get }
}

extension HermesEstimate {
    /// A block takes max(GPU + 2 T_sync, cold unit); the projection is the GPU's alone.
    private func sparse(
        _ workload: Workload, _ systems: ComparedSystems, cold: some ColdUnit
    ) -> Time {
        let layers = Double(model.layerCount)
        let load = frequencies.load(batchSize: workload.batchSize, hotShare: hotShare)
            .scaled(by: systems.hermes.computedShare.doubleValue)
        let synchronisation = 2 * cold.synchronisation
        func block(_ byteCount: Double, _ weightCount: Double, isQKV: Bool) -> Double {
            let hot = byteCount * load.hotUnion / machine.gpuBytesPerSecond + synchronisation
            let rest = cold.block(
                byteCount: byteCount, weightCount: weightCount, load: load, isQKV: isQKV)
            let messages = blockMessages(workload, isQKV: isQKV, unitCount: cold.unitCount)
            return layers * max(hot, rest + messages)
        }
        let context = meanContextLength(workload)
        return Time(
            prefill: prefill(
                workload,
                residentByteCount: min(neuronByteCount, freeByteCount)
                    + Double(model.denseByteCount)),
            qkv: block(
                qkvByteCount, Double(model.hiddenSize * model.qkvWidth), isQKV: true),
            attention: layers
                * (cold.attention(workload, contextLength: context) + attentionMessages(workload)),
            projection: layers
                * (Double(model.projectionByteCount) / machine.gpuBytesPerSecond
                    + synchronisation),
            mlp: block(
                mlpByteCount,
                Double(model.feedForwardSize * model.feedForwardNeuronWeightCount), isQKV: false),
            head: Double(model.headByteCount) / machine.gpuBytesPerSecond)
    }

    /// Seconds that one block's messages have the link that all units share: each gets the input of
    /// every sequence, and sends a whole vector of partial sums back.
    fileprivate func blockMessages(
        _ workload: Workload, isQKV: Bool, unitCount: Double
    ) -> Double {
        let width = model.hiddenSize + (isQKV ? model.qkvWidth : model.hiddenSize)
        return unitCount * Double(workload.batchSize * width * model.bytesPerActivation)
            / machine.linkBytesPerSecond
    }

    /// The same of attention: each head's query, key and value go to one unit, its context comes
    /// back.
    fileprivate func attentionMessages(_ workload: Workload) -> Double {
        let width = model.qkvWidth + model.querySize
        return Double(workload.batchSize * width * model.bytesPerActivation)
            / machine.linkBytesPerSecond
    }

    /// Positions that a token attends to, on average over the run.
    fileprivate func meanContextLength(_ workload: Workload) -> Double {
        Double(workload.promptTokenCount) + Double(workload.tokenCount) / 2
    }

    /// Keys and values of one layer that a step reads.
    fileprivate func keyValueByteCount(_ workload: Workload, _ contextLength: Double) -> Double {
        Double(model.keyValueByteCountPerPosition) / Double(model.layerCount)
            * Double(workload.batchSize) * contextLength
    }

    /// Products of attention in one layer: queries with keys, weights with values.
    fileprivate func attentionMACCount(_ workload: Workload, _ contextLength: Double) -> Double {
        2 * Double(model.querySize) * contextLength * Double(workload.batchSize)
    }
}

private struct NearDataCold: ColdUnit {
    let systems: ComparedSystems
    let estimate: HermesEstimate

    var synchronisation: Double { systems.hermes.synchronisationCost.seconds }

    var unitCount: Double { estimate.machine.dimmCount }

    private var macsPerSecond: Double { estimate.macsPerSecond(systems) }

    /// max(read the union, multiply every sequence's own) over the DIMMs, the slowest of them.
    func block(
        byteCount: Double, weightCount: Double, load: NeuronFrequencies.Load, isQKV: Bool
    ) -> Double {
        let machine = estimate.machine
        let rate = isQKV ? machine.qkvBytesPerSecond : machine.mlpBytesPerSecond
        let read = byteCount * load.coldUnion / (machine.dimmCount * rate)
        let multiply = weightCount * load.coldActivations / (machine.dimmCount * macsPerSecond)
        return max(read, multiply) / systems.hermes.loadBalance.doubleValue
    }

    func attention(_ workload: Workload, contextLength: Double) -> Double {
        let (read, multiply) = estimate.attention(
            workload, contextLength: contextLength, systems: systems)
        return max(read, multiply) / systems.hermes.loadBalance.doubleValue
    }
}

private struct HostCold: ColdUnit {
    let systems: ComparedSystems
    let estimate: HermesEstimate

    var synchronisation: Double { systems.hermes.synchronisationCost.seconds }

    var unitCount: Double { 1 }

    private var peak: Double { Double(systems.host.peakBandwidth.bytesPerSecond) }

    func block(
        byteCount: Double, weightCount: Double, load: NeuronFrequencies.Load, isQKV: Bool
    ) -> Double {
        byteCount * load.coldUnion / (peak * systems.host.sparseEfficiency.doubleValue)
            + systems.host.blockCost.seconds
    }

    func attention(_ workload: Workload, contextLength: Double) -> Double {
        estimate.keyValueByteCount(workload, contextLength)
            / (peak * systems.host.keyValueEfficiency.doubleValue)
            + systems.host.blockCost.seconds
    }
}

extension HermesEstimate {
    /// Of one DIMM.
    fileprivate func macsPerSecond(_ systems: ComparedSystems) -> Double {
        machine.laneCyclesPerSecond / Double(systems.hermes.cyclesPerMultiplyGroup)
    }

    /// Seconds of one layer's attention, spread over the DIMMs.
    fileprivate func attention(
        _ workload: Workload, contextLength: Double, systems: ComparedSystems
    ) -> (read: Double, multiply: Double) {
        (
            keyValueByteCount(workload, contextLength)
                / (machine.dimmCount * machine.keyValueBytesPerSecond),
            attentionMACCount(workload, contextLength)
                / (machine.dimmCount * macsPerSecond(systems))
        )
    }
}

// MARK: - Hermes-base

extension HermesEstimate {
    /// Whole layers on the GPU while they fit; the DIMMs read the others and then multiply them
    /// with every sequence. Nothing overlaps, and dense work is spread evenly.
    private func dense(_ workload: Workload, systems: ComparedSystems) -> Time {
        let layers = Double(model.layerCount)
        let resident = min(neuronByteCount, freeByteCount)
        let remote = neuronByteCount - resident
        let bytesPerWeight = Double(model.weightByteCount) / Double(model.weightCount)
        let synchronisation = 2 * systems.hermes.synchronisationCost.seconds
        func block(_ share: Double, rate: Double) -> Double {
            let products = remote * share / bytesPerWeight * Double(workload.batchSize)
            return resident * share / machine.gpuBytesPerSecond + layers * synchronisation
                + remote * share / (machine.dimmCount * rate)
                + products / (machine.dimmCount * macsPerSecond(systems))
        }
        func messages(isQKV: Bool) -> Double {
            layers * (remote / neuronByteCount)
                * blockMessages(workload, isQKV: isQKV, unitCount: machine.dimmCount)
        }
        let qkvShare = qkvByteCount / (qkvByteCount + mlpByteCount)
        let (read, multiply) = attention(
            workload, contextLength: meanContextLength(workload), systems: systems)
        return Time(
            prefill: prefill(workload, residentLayerCount: resident / neuronByteCount * layers),
            qkv: block(qkvShare, rate: machine.qkvBytesPerSecond) + messages(isQKV: true),
            attention: layers * (read + multiply + attentionMessages(workload)),
            projection: layers
                * (Double(model.projectionByteCount) / machine.gpuBytesPerSecond
                    + synchronisation),
            mlp: block(1 - qkvShare, rate: machine.mlpBytesPerSecond) + messages(isQKV: false),
            head: Double(model.headByteCount) / machine.gpuBytesPerSecond)
    }
}
