import HardwareModel
package import ModelCatalogue
package import Quantities
package import Topology

/// Times the compared systems that do not run as processes, layer by layer.
///
/// The offloading systems run on the GPU of the topology, their weights in the host's memory;
/// TensorRT-LLM on its own GPUs. Equations and sources: see the article BaselineTiming.
package struct BaselineSchedules: Sendable {
    package let systems: ComparedSystems
    package let gpu: Topology.GPU

    package init(systems: ComparedSystems, gpu: Topology.GPU) {
        self.systems = systems
        self.gpu = gpu
    }

    /// - Precondition: `system.isSchedule`.
    package func outcome(
        of system: ComparedSystem, model: ModelSpecification, workload: Workload
    ) throws(BaselineTimingError) -> BaselineOutcome {
        precondition(system.isSchedule)
        guard isCountable(system, model: model, workload: workload) else {
            throw .tooLong(system)
        }
        if let reason = obstacle(to: system, model: model, workload: workload) {
            return .unsupported(reason: reason)
        }
        let run =
            switch system {
            case .accelerate: accelerate(model, workload)
            case .dejaVu: dejaVu(model, workload)
            case .tensorRTLLM: tensorRTLLM(model, workload)
            default: flexGen(model, workload)
            }
        return .timed(run)
    }

    /// Whether no time or count of the run leaves its 64 bits; generous by far.
    private func isCountable(
        _ system: ComparedSystem, model: ModelSpecification, workload: Workload
    ) -> Bool {
        let passes = Double(workload.tokenCount) + 1
        let batch = Double(workload.batchSize)
        let positions = Double(workload.finalLength)
        let bytes =
            Double(model.weightByteCount)
            + batch * positions * Double(model.keyValueByteCountPerPosition)
        let operations =
            2 * batch * positions * Double(model.weightCount)
            + 4 * batch * positions * positions * Double(model.querySize * model.layerCount)
        let rate = Double(
            min(
                gpu.effectiveBandwidth, systems.accelerate.linkBandwidth,
                systems.flexGen.linkBandwidth, systems.tensorRTLLM.effectiveBandwidth
            ).bytesPerSecond)
        let compute = Double(
            min(gpu.effectiveComputeRate, systems.tensorRTLLM.effectiveComputeRate)
                .operationsPerSecond)
        let allReduces =
            2 * Double(model.layerCount) * systems.tensorRTLLM.allReduceCost.seconds
        let seconds = passes * (2 * bytes / rate + allReduces) + operations / compute
        return seconds < 1e6 && operations < 1e18 && passes * bytes < 1e18
    }
}

// MARK: - Offloading

extension BaselineSchedules {
    /// Nothing is resident: every pass brings all weights, hidden behind compute or hiding it.
    private func flexGen(_ model: ModelSpecification, _ workload: Workload) -> BaselineRun {
        let link = systems.flexGen.linkBandwidth
        let kernels = kernels(model, workload)
        let first = prefillPass(kernels, workload, link: link)
        var stream = OverlappedStream(filling: first.layer.transfer)
        stream.run(first, next: first.layer.transfer)
        let prefill = stream.elapsed.decode
        stream = OverlappedStream(filling: .zero)
        for token in 0..<workload.tokenCount {
            let pass = decodePass(kernels, workload, token: token, link: link)
            let isLast = token + 1 == workload.tokenCount
            stream.run(pass, next: isLast ? .zero : pass.layer.transfer)
        }
        var breakdown = stream.elapsed
        breakdown.prefill = prefill
        return BaselineRun(
            breakdown: breakdown,
            movedByteCount: ByteCount(
                UInt64(streamedByteCount(model)) * UInt64(workload.tokenCount + 1)),
            residentShare: 0,
            generatedTokenCount: workload.batchSize * workload.tokenCount)
    }

    /// Whole layers are resident while they fit; the others come one by one, nothing overlaps.
    private func accelerate(_ model: ModelSpecification, _ workload: Workload) -> BaselineRun {
        let link = systems.accelerate.linkBandwidth
        let kernels = kernels(model, workload)
        let resident = residentLayerCount(model, workload)
        var stream = SerialStream()
        stream.run(
            prefillPass(kernels, workload, link: link, isHeadResident: true),
            residentLayerCount: resident)
        let prefill = stream.elapsed.decode
        stream = SerialStream()
        for token in 0..<workload.tokenCount {
            stream.run(
                decodePass(kernels, workload, token: token, link: link, isHeadResident: true),
                residentLayerCount: resident)
        }
        var breakdown = stream.elapsed
        breakdown.prefill = prefill
        let moved = (model.layerCount - resident) * layerByteCount(model)
        return BaselineRun(
            breakdown: breakdown,
            movedByteCount: ByteCount(UInt64(moved) * UInt64(workload.tokenCount + 1)),
            residentShare: 1 - Double(moved) / Double(model.weightByteCount),
            generatedTokenCount: workload.batchSize * workload.tokenCount)
    }

    /// Prefill as FlexGen's, dense. Then each unit is predicted, its active part fetched and
    /// computed, one after the other; the predictor and the kernels have their published shares.
    private func dejaVu(_ model: ModelSpecification, _ workload: Workload) -> BaselineRun {
        let link = systems.flexGen.linkBandwidth
        let first = prefillPass(kernels(model, workload), workload, link: link)
        var stream = OverlappedStream(filling: first.layer.transfer)
        stream.run(first, next: .zero)
        let shares = FetchedUnits(systems: systems, model: model)
        var breakdown = TimeBreakdown()
        shares.addToken(to: &breakdown, count: workload.tokenCount)
        breakdown.prefill = stream.elapsed.decode
        let moved =
            UInt64(streamedByteCount(model)) + shares.byteCount * UInt64(workload.tokenCount)
        return BaselineRun(
            breakdown: breakdown, movedByteCount: ByteCount(moved), residentShare: 0,
            generatedTokenCount: workload.batchSize * workload.tokenCount)
    }

    func kernels(_ model: ModelSpecification, _ workload: Workload) -> ModelKernels {
        ModelKernels(model: model, gpu: GPUModel(gpu), batchSize: workload.batchSize)
    }

    /// - Parameter token: counted from 0; the first sees the prompt and itself.
    private func decodePass(
        _ kernels: ModelKernels, _ workload: Workload, token: Int, link: Bandwidth,
        isHeadResident: Bool = false
    ) -> Pass {
        pass(
            kernels, isHeadResident: isHeadResident, link: link,
            layer: kernels.decodeLayer(contextLength: workload.promptTokenCount + token + 1))
    }

    private func prefillPass(
        _ kernels: ModelKernels, _ workload: Workload, link: Bandwidth,
        isHeadResident: Bool = false
    ) -> Pass {
        pass(
            kernels, isHeadResident: isHeadResident, link: link,
            layer: kernels.prefillLayer(promptTokenCount: workload.promptTokenCount))
    }

    private func pass(
        _ kernels: ModelKernels, isHeadResident: Bool, link: Bandwidth, layer: BlockTimes
    ) -> Pass {
        let model = kernels.model
        return Pass(
            layer: PassUnit(transfer: link.duration(of: layerByteCount(model)), compute: layer),
            layerCount: model.layerCount,
            head: PassUnit(
                transfer: isHeadResident ? .zero : link.duration(of: model.embeddingByteCount),
                compute: kernels.head()))
    }
}

/// Deja Vu's token: what it fetches, and how its time is shared out.
private struct FetchedUnits {
    let systems: ComparedSystems
    let model: ModelSpecification

    private func fetched(_ byteCount: Int) -> UInt64 {
        systems.dejaVu.fetchedShare.roundingDown(UInt64(byteCount))
    }

    /// Of one token: of every layer and of the head.
    var byteCount: UInt64 {
        UInt64(model.layerCount) * fetched(layerByteCount(model))
            + fetched(model.embeddingByteCount)
    }

    func addToken(to breakdown: inout TimeBreakdown, count: Int) {
        let layers = UInt64(model.layerCount) * UInt64(count)
        let layer = unit(layerByteCount(model))
        breakdown.communication += layer.fetch * layers
        breakdown.predictor += layer.predictor * layers
        let qkv = share(layer.compute, model.hiddenSize * model.qkvNeuronByteCount)
        let projection = share(layer.compute, model.projectionByteCount)
        breakdown.qkv += qkv * layers
        breakdown.projection += projection * layers
        breakdown.mlp += (layer.compute - qkv - projection) * layers
        let head = unit(model.embeddingByteCount)
        breakdown.communication += head.fetch * UInt64(count)
        breakdown.predictor += head.predictor * UInt64(count)
        breakdown.other += head.compute * UInt64(count)
    }

    /// Fetch of the active share; total = fetch / communication share; predictor and kernels
    /// share the rest.
    private func unit(
        _ byteCount: Int
    ) -> (fetch: EmulatedDuration, predictor: EmulatedDuration, compute: EmulatedDuration) {
        let dejaVu = systems.dejaVu
        let fetch = systems.flexGen.linkBandwidth.duration(of: ByteCount(fetched(byteCount)))
        let rest = fetch.stretched(by: dejaVu.communicationShare) - fetch
        let predictor = EmulatedDuration(
            picoseconds: dejaVu.predictorShare.roundingDown(rest.picoseconds))
        return (fetch, predictor, rest - predictor)
    }

    /// A layer's kernels by their weights; attention is too short to be told apart.
    private func share(_ time: EmulatedDuration, _ byteCount: Int) -> EmulatedDuration {
        let part = UInt128(time.picoseconds) * UInt128(byteCount)
        return EmulatedDuration(picoseconds: UInt64(part / UInt128(layerByteCount(model))))
    }
}

// MARK: - TensorRT-LLM

extension BaselineSchedules {
    /// All weights resident, every matrix shared by all GPUs; after attention and after the MLP
    /// they add up their partial sums.
    private func tensorRTLLM(_ model: ModelSpecification, _ workload: Workload) -> BaselineRun {
        let facts = systems.tensorRTLLM
        let kernels = ModelKernels(
            model: model, gpu: facts.gpuModel, batchSize: workload.batchSize,
            gpuCount: facts.gpuCount)
        let allReduces = facts.allReduceCost * UInt64(2 * model.layerCount)
        var first = TimeBreakdown()
        first.add(
            kernels.prefillLayer(promptTokenCount: workload.promptTokenCount),
            count: model.layerCount)
        first.add(kernels.head())
        var breakdown = TimeBreakdown()
        breakdown.prefill = first.decode + allReduces
        for token in 0..<workload.tokenCount {
            breakdown.add(
                kernels.decodeLayer(contextLength: workload.promptTokenCount + token + 1),
                count: model.layerCount)
            breakdown.add(kernels.head())
            breakdown.communication += allReduces
        }
        return BaselineRun(
            breakdown: breakdown, movedByteCount: reducedByteCount(model, workload),
            residentShare: 1, generatedTokenCount: workload.batchSize * workload.tokenCount)
    }

    /// A ring all-reduce sends and receives 2 (n - 1) / n of its vector on each of n GPUs.
    private func reducedByteCount(
        _ model: ModelSpecification, _ workload: Workload
    ) -> ByteCount {
        let vector = UInt64(model.hiddenSize * model.bytesPerActivation)
        let vectorCount = UInt64(workload.batchSize) * UInt64(workload.finalLength)
        let perLayer = 2 * 2 * UInt64(systems.tensorRTLLM.gpuCount - 1) * vector
        return ByteCount(UInt64(model.layerCount) * perLayer * vectorCount)
    }
}

extension ComparedSystems.TensorRTLLM {
    /// Of one GPU.
    package var effectiveBandwidth: Bandwidth { peakBandwidth.scaled(by: bandwidthEfficiency) }
    package var effectiveComputeRate: ComputeRate {
        peakComputeRate.scaled(by: computeEfficiency)
    }

    var gpuModel: GPUModel {
        GPUModel(
            effectiveBandwidth: effectiveBandwidth, effectiveComputeRate: effectiveComputeRate,
            launchCost: .zero, synchronisationCost: .zero)
    }
}
