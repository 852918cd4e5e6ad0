import MappedMemory
package import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
package import Pacing
import PackedSets
import Quantities
package import Transformer

/// Plays the GPU and the host scheduler: runs the prefill, splits every layer between its hot
/// neurons and the DIMMs' cold ones, and adds the partial sums in one fixed order.
///
/// A token's path through a layer: norm, QKV on all units, attention on the DIMMs that own the
/// heads, output projection here, norm, feed-forward on all units. Partial sums are added as
/// GPU, DIMM 0, DIMM 1, …, so timing never changes a value.
package struct Coordinator: ~Copyable {
    package let model: DecoderModel
    package let options: CoordinatorOptions
    var engine: StepEngine
    private let heads: HeadMap
    let homePlan: HomePlan
    var gpu: GPURole?
    var cold: ColdSets?
    var buffers: TokenBuffers
    /// Copies on the GPU; the feed-forward neurons in the order of its slots.
    var hot: NeuronAssignment?
    /// `nil` where every truly active neuron is computed.
    var prediction: Prediction?
    /// `nil` where neurons stay where they start.
    var migration: Migration?
    private var tokenCount = 0
    /// What the run did, per DIMM and token.
    package private(set) var ledger: WorkLedger

    /// - Parameters:
    ///   - links: one per DIMM, in DIMM order; workers wait behind them.
    ///   - recovery: gets lost workers back; `nil` ends the run with the first.
    package init(
        model: DecoderModel, links: [any MessageLink], options: CoordinatorOptions,
        time: Timekeeper? = nil, recovery: (any WorkerRecovery)? = nil
    ) {
        precondition(!links.isEmpty)
        precondition(options.rule == nil || model.shape.architecture.isGated)
        self.model = model
        self.options = options
        let heads = HeadMap(
            keyValueHeadCount: model.shape.keyValueHeadCount, dimmCount: links.count)
        self.heads = heads
        engine = StepEngine(
            links: links, time: time,
            mending: recovery.map {
                ExchangeMending(
                    recovery: $0, model: model, heads: heads, rule: options.rule,
                    dimmCount: links.count)
            })
        let homes = options.homePlan(of: model, dimmCount: links.count)
        precondition(homes.dimmCount == links.count)
        precondition(homes.feedForward.count == model.shape.layerCount)
        homePlan = homes
        buffers = TokenBuffers(model: model, isWide: options.rule != nil)
        ledger = WorkLedger(dimmCount: links.count)
    }

    var exchange: WorkerExchange { engine.exchange }

    /// `nil` in a native run, which has no emulated time.
    package var time: Timekeeper? { engine.time }

    /// Payload bytes of messages since the clock started, by link.
    package var movedByteCounts: [UInt64] { engine.movedByteCounts }

    /// Failures that were mended so far, in order.
    package var recoveries: [RecoveryRecord] { engine.recoveries }

    /// Keys and values that are kept for other workers' sake, bytes.
    package var keptRowByteCount: Int { exchange.state.rowByteCount }

    // MARK: Clock

    /// Starts emulated time: in a paced run every role waits from here on.
    ///
    /// - Parameters:
    ///   - setting: what the workers are told.
    ///   - clock: the coordinator's own, of the same setting.
    package mutating func startClock(
        _ setting: ClockSetting, clock: any RunClock
    ) throws(CoordinatorError) {
        try engine.startClock(setting, clock: clock)
    }

    /// Forgets time and work so far, for a run that starts over on the same workers: keys and
    /// values are indexed by position, so the next run replaces them.
    package mutating func startOver(time: Timekeeper?) {
        engine.startOver(time: time)
        let hotWeightByteCount = ledger.hotWeightByteCount
        ledger = WorkLedger(dimmCount: exchange.count)
        ledger.hotWeightByteCount = hotWeightByteCount
        prediction?.startOver()
        tokenCount = 0
    }

    /// How well the coordinator kept its deadlines in a paced run.
    package var overruns: OverrunCount { engine.clock.overruns }

    /// Deadlines of all roles so far, and how many were missed; the workers' as of their last
    /// replies.
    package var deadlines: (count: UInt64, missed: UInt64) { engine.deadlines }

    // MARK: Prefill

    /// Copies the hot neurons to the GPU role: those that were decided beforehand, or else those
    /// that the prefill's activity says.
    ///
    /// Throws ``CoordinatorError/gpu(_:)`` when they do not fit the memory.
    package mutating func adopt(
        prefill: borrowing ReferenceTransformer
    ) throws(CoordinatorError) {
        let hot =
            options.start?.hot
            ?? options.chooseHot(model: model, activityCounts: prefill.activityCounts)
        let byteCount = NeuronShard.byteCount(
            of: hot, weights: model.weights, mobility: options.hotMobility)
        guard byteCount <= options.hotSet.memoryByteCount else {
            throw .gpu(
                "hot neurons of \(byteCount) bytes in a memory of "
                    + "\(options.hotSet.memoryByteCount)")
        }
        self.hot = hot
        cold = ColdSets(homes: homePlan, hot: hot)
        do {
            let gpu = try GPURole(
                model: model, hot: hot, rule: options.rule, mobility: options.hotMobility)
            migration = startMigration(hot: hot, gpu: gpu, prefill: prefill)
            self.gpu = consume gpu
        } catch {
            throw .gpu(error.description)
        }
        for layer in hot.feedForward.indices {
            let sets = migration?.places.coldSets(layer: layer, hot: hot.feedForward[layer])
            if let sets { cold?.feedForward[layer] = sets }
        }
        ledger.hotWeightByteCount = byteCount
    }

    /// Takes the prefill's time, then hands its keys and values to the DIMMs that own the heads.
    ///
    /// - Parameter tokenCount: positions in the prefill's cache.
    package mutating func deliver(
        prefill: borrowing ReferenceTransformer, tokenCount: Int
    ) throws(CoordinatorError) {
        let shape = model.shape
        engine.clock.beginWork()
        try engine.time?.runPrefill(PrefillWork(model: model, tokenCount: tokenCount))
        if let time = engine.time {
            try engine.pacing { () throws(PacingError) in
                try engine.finishWork(at: time.now, lasting: time.prefillDuration)
            }
        }
        for layer in 0..<shape.layerCount {
            for head in 0..<shape.keyValueHeadCount {
                try sendRows(of: prefill.cache, layer: layer, head: head, count: tokenCount)
            }
        }
        // The first token is seen outside.
        try engine.catchUp()
    }

    /// Sends one head's rows in messages that fit the link.
    private mutating func sendRows(
        of cache: KeyValueCache, layer: Int, head: Int, count: Int
    ) throws(CoordinatorError) {
        let dimm = heads.dimm(layer: layer, head: head)
        let rowFloats = cache.headSize
        let payloadLimit = exchange.maximumPayloadByteCount(of: dimm)
        let rowsPerMessage = max(1, payloadLimit / (8 * rowFloats))
        let matrix = cache.index(layer: layer, head: head)
        let (keys, values) = (cache.keys[matrix], cache.values[matrix])
        for first in stride(from: 0, to: count, by: rowsPerMessage) {
            let rowCount = min(rowsPerMessage, count - first)
            let extent = first * rowFloats..<(first + rowCount) * rowFloats
            let header = MessageHeader(
                .storeKeysAndValues, layer: layer, position: first, count: rowCount,
                auxiliary: head, step: exchange.nextStep())
            let byteCount = 8 * rowCount * rowFloats
            try engine.post("keys and values", header, byteCount: byteCount, to: dimm) { message in
                let base = MessageHeader.byteCount
                message.store(keys.span.extracting(extent), at: base)
                message.store(
                    values.span.extracting(extent), at: base + 4 * rowCount * rowFloats)
            }
        }
    }

    // MARK: Decode

    /// Runs one token through all layers; returns its logits, [vocabulary].
    ///
    /// - Precondition: ``adopt(prefill:)`` and ``deliver(prefill:tokenCount:)`` have run.
    package mutating func decode(_ token: Int32, at position: Int) throws(CoordinatorError)
        -> [Float]
    {
        precondition(position < options.contextCapacity)
        ledger.beginToken()
        engine.time?.beginToken(tokenCount)
        buffers.embed(Int(token), at: position, model: model)
        for layer in 0..<model.shape.layerCount {
            let weights = model.weights.layers[layer]
            let norms = model.norms[layer]
            buffers.normalise(by: norms.attention, epsilon: model.shape.normEpsilon)
            try projectQKV(layer: layer, position: position)
            try attend(layer: layer, position: position)
            buffers.projectAttention(
                weights.attentionOutput, model.biases(layer: layer), model: model)
            engine.beginStep("projection", layer: layer)
            try moveNeurons(layer: layer)
            try projectionTime(weights.attentionOutput, layer: layer)
            buffers.normalise(by: norms.feedForward, epsilon: model.shape.normEpsilon)
            try feedForward(layer: layer, position: position)
        }
        let logits = model.logits(of: buffers.state.span, threadCount: options.threadCount)
        engine.beginStep("output head", layer: -1)
        try engine.time?.runKernel(
            "output head", byteCount: model.weights.output.byteCount,
            macCount: model.weights.output.elementCount, synchronises: false)
        try engine.endStep()
        try settleMigration()
        // The token is seen outside.
        try engine.catchUp()
        ledger.endToken(busy: engine.time?.busyOfToken)
        tokenCount += 1
        return logits
    }

    private mutating func projectQKV(layer: Int, position: Int) throws(CoordinatorError) {
        guard let cold, let hot else { preconditionFailure("decode before adopt") }
        let width = model.shape.qkvWidth
        let hotCount = hot.qkv[layer].count
        engine.beginStep("QKV", layer: layer)
        let header = MessageHeader(
            .projectQKV, layer: layer, position: position, step: exchange.nextStep())
        try sendInput(header, sets: cold.qkv[layer])
        try engine.time?.runKernel(
            "hot QKV", byteCount: hotCount * model.qkvNeuronByteCount,
            macCount: hotCount * width, synchronises: true)
        gpu?.projectQKV(layer: layer, input: buffers.normed, into: &buffers.sum)
        for dimm in exchange.indices {
            let answer = try exchange.addPartialSum(
                from: dimm, answering: header, elementCount: width,
                candidates: cold.qkv[layer][dimm], to: &buffers.sum)
            ledger.add(
                neurons: answer.activeCount, multiplyAccumulates: answer.activeCount * width,
                toDIMM: dimm)
            try engine.note(answer, from: dimm)
        }
        try engine.endStep()
        try mergeTime("merge QKV", width: width, layer: layer)
        buffers.finishQKV(model.biases(layer: layer))
    }

    private mutating func feedForward(layer: Int, position: Int) throws(CoordinatorError) {
        guard let cold, let hot else { preconditionFailure("decode before adopt") }
        let hidden = model.shape.hiddenSize
        let plan =
            prediction?.plan(
                layer: layer, input: buffers.normed, hot: hot.feedForward[layer],
                cold: cold.feedForward[layer])
            ?? FeedForwardPlan(gpuSlots: nil, dimmSlots: cold.feedForward[layer])
        let hotCount = plan.gpuSlots?.count ?? hot.feedForward[layer].count
        engine.beginStep("MLP", layer: layer)
        let header = MessageHeader(
            .feedForward, layer: layer, position: position, step: exchange.nextStep())
        try sendInput(header, sets: plan.dimmSlots)
        let shiftMACs = options.rule == nil ? 0 : hidden * hidden
        try engine.time?.runKernel(
            "hot MLP", byteCount: hotCount * model.feedForwardNeuronByteCount + 2 * shiftMACs,
            macCount: hotCount * model.feedForwardNeuronWeightCount + shiftMACs,
            synchronises: true)
        let activeOnGPU = gpu?.feedForward(
            layer: layer, input: buffers.normed, slots: plan.gpuSlots, into: &buffers.sum)
        migration?.noteGPU(active: activeOnGPU ?? [], hot: hot.feedForward[layer])
        var activeSlots: [PackedSet] = []
        for dimm in exchange.indices {
            let candidates = plan.dimmSlots[dimm]
            let answer = try exchange.addPartialSum(
                from: dimm, answering: header, elementCount: hidden, candidates: candidates,
                to: &buffers.sum)
            // What selects (gate, or up without gates) of all candidates, the rest of the active.
            ledger.add(
                neurons: answer.activeCount,
                multiplyAccumulates: model.feedForwardMACCount(
                    candidateCount: candidates.memberCount, activeCount: answer.activeCount),
                toDIMM: dimm)
            migration?.note(active: answer.activeSlots, ofDIMM: dimm, layer: layer)
            activeSlots.append(answer.activeSlots)
            try engine.note(answer, from: dimm)
        }
        migration?.finish(layer: layer, observed: prediction?.computed)
        prediction?.finish(
            layer: layer, hot: hot.feedForward[layer], gpuSlots: activeOnGPU ?? [],
            dimmSlots: activeSlots)
        try engine.endStep()
        try mergeTime("merge MLP", width: hidden, layer: layer)
        buffers.finishFeedForward(model.biases(layer: layer))
        if let rule = options.rule { buffers.addShift(rule, layer: layer) }
    }

    private mutating func sendInput(
        _ request: MessageHeader, sets: [PackedSet]
    ) throws(CoordinatorError) {
        let input = buffers.normed
        for dimm in exchange.indices {
            let set = sets[dimm]
            let byteCount = set.byteCount + 4 * input.count
            let header = try engine.sending(request, byteCount: byteCount, to: dimm)
            try exchange.send(header, to: dimm, payloadByteCount: byteCount) { message in
                message.store(set.words.span, at: MessageHeader.byteCount)
                message.store(input.span, at: MessageHeader.byteCount + set.byteCount)
            }
        }
    }

    private mutating func attend(layer: Int, position: Int) throws(CoordinatorError) {
        let shape = model.shape
        let step = exchange.nextStep()
        engine.beginStep("attention", layer: layer)
        let vectorCount = shape.groupWidth + 2 * shape.headSize
        for dimm in exchange.indices {
            let owned = heads.heads(layer: layer, dimm: dimm)
            if owned.isEmpty { continue }
            let byteCount = 4 * owned.count * vectorCount
            let header = try engine.sending(
                MessageHeader(
                    .attend, layer: layer, position: position, count: owned.count, step: step),
                byteCount: byteCount, to: dimm)
            let buffers = buffers
            try exchange.send(header, to: dimm, payloadByteCount: byteCount) {
                buffers.writeHeads(owned, shape: shape, into: &$0)
            }
        }
        for dimm in exchange.indices {
            let owned = heads.heads(layer: layer, dimm: dimm)
            if owned.isEmpty { continue }
            let header = MessageHeader(
                .attend, layer: layer, position: position, count: owned.count, step: step)
            let answer = try exchange.receiveContext(
                from: dimm, answering: header, heads: owned, groupWidth: shape.groupWidth,
                into: &buffers.context)
            ledger.add(
                neurons: 0,
                multiplyAccumulates: 2 * owned.count * shape.groupWidth * (position + 1),
                toDIMM: dimm)
            try engine.note(answer, from: dimm)
        }
        try engine.endStep()
    }
}
