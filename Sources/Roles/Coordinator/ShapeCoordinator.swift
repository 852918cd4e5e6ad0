package import ActivationPredictor
package import Messages
import ModelCatalogue
import NeuronPlacement
package import Pacing
import PackedSets
import Quantities

/// Plays the GPU and the host scheduler for a model of which there is only the shape: the token
/// loop of ``Coordinator``, with the same requests, sizes, policies and clocks, and no values.
///
/// Who is active comes from an ``ActivitySource``. The paper's model has a ReLU in front of QKV,
/// so both blocks of a layer are sparse, and neurons of both move.
package struct ShapeCoordinator {
    let options: ShapeOptions
    var engine: StepEngine
    private var activity: any ActivitySource
    private var foresight: (any ActivitySource)?
    let heads: HeadMap
    private(set) var blocks: [ShapeBlock]  // QKV, MLP
    private var predictors: [any ActivityPredictor] = []  // one per sequence
    private var position: Int
    private var tokenCount = 0
    /// What the run did, per DIMM and token.
    package private(set) var ledger: WorkLedger
    /// Weights of neurons in the GPU's memory when the run begins.
    package private(set) var residentNeuronByteCount = 0
    /// Predictions against the truth, but for the first layer.
    package private(set) var score = PredictionScore()

    private static let blockNames = ["QKV", "MLP"]

    /// - Parameters:
    ///   - links: one per unit: a DIMM each, or the host's; workers wait behind them.
    ///   - foresight: tells the rebalancer who will be active in its next window in place of who
    ///     was: stands a window ahead of the activity, and stays at its last token.
    ///   - recovery: gets lost workers back; `nil` ends the run with the first.
    package init(
        links: [any MessageLink], options: ShapeOptions, activity: any ActivitySource,
        foresight: (any ActivitySource)? = nil, time: Timekeeper?,
        recovery: (any WorkerRecovery)? = nil
    ) {
        precondition(activity.sequenceCount == options.batchSize)
        self.options = options
        self.activity = activity
        self.foresight = foresight
        engine = StepEngine(
            links: links, time: time,
            mending: recovery.map { ExchangeMending(recovery: $0, dimmCount: links.count) })
        heads = HeadMap(
            keyValueHeadCount: options.model.keyValueHeadCount, dimmCount: links.count)
        blocks = (0..<ShapeConfiguration.blockCount).map {
            ShapeBlock(block: $0, options: options, dimmCount: links.count)
        }
        position = options.promptTokenCount
        ledger = WorkLedger(dimmCount: links.count)
        ledger.hotWeightByteCount = blocks.reduce(0) { $0 + $1.hotByteCount }
        residentNeuronByteCount = blocks.residentByteCounts(options).reduce(0, +)
    }

    /// `nil` in a native run, which has no emulated time.
    package var time: Timekeeper? { engine.time }

    /// Failures that were mended so far, in order.
    package var recoveries: [RecoveryRecord] { engine.recoveries }

    /// Payload bytes of messages since the clock started, by link.
    package var movedByteCounts: [UInt64] { engine.movedByteCounts }

    /// How well the coordinator kept its deadlines in a paced run.
    package var overruns: OverrunCount { engine.clock.overruns }

    /// Deadlines of all roles so far, and how many were missed.
    package var deadlines: (count: UInt64, missed: UInt64) { engine.deadlines }

    /// What moved so far, QKV and MLP.
    package var migrationRecords: [MigrationRecord] { blocks.map(\.migration.record) }

    /// Memory of one sequence's predictor.
    package var predictorByteCount: Int { predictors.first?.byteCount ?? 0 }

    // MARK: Start and end

    /// Sends every worker the shape of its part; they answer when they are ready.
    package func configureWorkers() throws(CoordinatorError) -> [WorkerFacts] {
        for dimm in engine.exchange.indices {
            let configuration = configuration(ofDIMM: dimm)
            try engine.exchange.send(
                MessageHeader(.configureShape, step: 0), to: dimm,
                payloadByteCount: configuration.byteCount
            ) { configuration.encode(into: &$0) }
        }
        return try engine.exchange.collectFacts(.ready, step: 0)
    }

    private func configuration(ofDIMM dimm: Int) -> ShapeConfiguration {
        let model = options.model
        return ShapeConfiguration(
            dimmIndex: dimm, dimmCount: engine.exchange.count, layerCount: model.layerCount,
            batchSize: options.batchSize, contextCapacity: options.contextCapacity,
            isTimed: engine.time != nil, queryHeadCount: model.queryHeadCount,
            keyValueHeadCount: model.keyValueHeadCount, headSize: model.headSize,
            bytesPerActivation: model.bytesPerActivation,
            attentionSplit: options.attentionSplit, arenaByteCount: options.arenaByteCount,
            host: options.host, blocks: blocks.map(\.wireBlock),
            filledSlotCounts: (0..<model.layerCount).map { layer in
                blocks.map { $0.filledSlotCount(ofDIMM: dimm, layer: layer) }
            }, topologyText: options.topologyText)
    }

    /// Starts emulated time: in a paced run every role waits from here on.
    package mutating func startClock(
        _ setting: ClockSetting, clock: any RunClock
    ) throws(CoordinatorError) {
        try engine.startClock(setting, clock: clock)
    }

    /// Forgets time so far, for a run that starts over on the same workers.
    package mutating func startOver(time: Timekeeper?) { engine.startOver(time: time) }

    /// From here on neurons stay where they are, and nothing is learnt of them: for rehearsals.
    package mutating func holdPlacement() {
        for block in blocks.indices { blocks[block].migration.isHeld = true }
    }

    /// Tells the workers to leave and waits for their last facts.
    package func shutDown() throws(CoordinatorError) -> [WorkerFacts] { try engine.shutDown() }

    // MARK: Prefill

    /// From here on an observer is told of every step.
    package mutating func watch(_ observer: any StepObserver) { engine.watch.observer = observer }

    /// Where all neurons are computed and stay, nobody asks who is active.
    private var usesActivity: Bool {
        options.predictor != nil || options.hotCriterion != .none
            || options.policy.rebalancing != .none
    }

    /// Watches the prompt's activity: it sets the predictors and the neurons' states.
    ///
    /// - Throws: ``CoordinatorError/activity(_:)`` when the source is at its end.
    package mutating func observePrompt() throws(CoordinatorError) {
        guard usesActivity else { return }
        let layout = NeuronLayout(
            layerCount: options.model.layerCount, neuronCounts: blocks.map(\.neuronCount))
        var prompts = Array(repeating: PrefillActivity(layout: layout), count: options.batchSize)
        for _ in 0..<options.promptTokenCount {
            for sequence in prompts.indices {
                for layer in 0..<layout.layerCount {
                    for block in blocks.indices {
                        prompts[sequence].add(
                            activity.activeNeurons(
                                sequence: sequence, layer: layer, block: block),
                            layer: layer, block: block)
                    }
                }
            }
            guard advanceActivity() else { throw .activity("it ends within the prompt") }
        }
        for block in blocks.indices { blocks[block].beginDecode(after: prompts, block: block) }
        guard let predictor = options.predictor else { return }
        predictors = prompts.map {
            var own = predictor
            own.beginDecode(after: $0)
            return own
        }
    }

    // MARK: Decode

    /// Runs one token of every sequence through all layers.
    ///
    /// - Precondition: ``observePrompt()`` and ``runPrefill()`` have run.
    /// - Throws: ``CoordinatorError/activity(_:)`` when the source is at its end.
    package mutating func decode() throws(CoordinatorError) {
        precondition(position < options.contextCapacity)
        ledger.beginToken()
        engine.time?.beginToken(tokenCount)
        for sequence in predictors.indices { predictors[sequence].beginToken() }
        for layer in 0..<options.model.layerCount {
            try compute(predict(0, layer: layer), block: 0, layer: layer)
            try attend(layer: layer)
            // Known before the projection, so that what moves meanwhile can be what is needed.
            let feedForward = predict(1, layer: layer)
            try project(layer: layer, before: feedForward)
            try compute(feedForward, block: 1, layer: layer)
            for block in blocks.indices { blocks[block].endLayer(layer) }
        }
        try runHead()
        for block in blocks.indices {
            let settled = try engine.settle(&blocks[block].migration, block: block)
            blocks[block].apply(settled)
        }
        // The token is seen outside.
        try engine.catchUp()
        ledger.endToken(busy: engine.time?.busyOfToken)
        engine.watch.observer?.endToken()
        tokenCount += 1
        position += 1
        guard !usesActivity || advanceActivity() else {
            throw .activity("it ends after \(tokenCount) tokens")
        }
    }

    /// QKV or MLP: hot neurons here, cold ones on the DIMMs.
    private mutating func compute(
        _ computed: [PackedSet], block: Int, layer: Int
    ) throws(CoordinatorError) {
        plan(computed, block: block, layer: layer)
        let name = Self.blockNames[block]
        engine.beginStep(name, layer: layer)
        let header = MessageHeader(
            block == 0 ? .projectQKV : .feedForward, layer: layer, position: position,
            step: engine.exchange.nextStep())
        let sets = blocks[block]
        let byteCount = sets.requestByteCount
        for dimm in engine.exchange.indices {
            let stamped = try engine.sending(header, byteCount: byteCount, to: dimm)
            try engine.exchange.send(
                stamped, to: dimm, payloadByteCount: byteCount,
                writtenByteCount: sets.requestSetsByteCount
            ) {
                sets.writeSlots(ofDIMM: dimm, layer: layer, into: &$0)
            }
        }
        let hot = sets.hotWork
        try engine.time?.runKernel(
            "hot \(name)", byteCount: hot.byteCount, macCount: hot.macCount, synchronises: true)
        for dimm in engine.exchange.indices {
            let answer = try engine.exchange.receiveShape(
                .partialSum, from: dimm, answering: header,
                payloadByteCount: sets.replyByteCount)
            ledger.add(
                neurons: answer.activeCount,
                multiplyAccumulates: Int(
                    clamping: answer.report.multiplyAccumulateCount), toDIMM: dimm)
            ledger.add(neuronReads: answer.report.readByteCount, ofDIMM: dimm)
            try engine.note(answer, from: dimm)
        }
        let end = try engine.endStep()
        if !engine.isDelayed { blocks[block].noteEnd(end, layer: layer) }
        try merge(sets.wireBlock.sumByteCount, "merge \(name)", layer: layer)
    }

    /// Adding the units' shares: the GPU reads each and writes the sum.
    private mutating func merge(
        _ sumByteCount: Int, _ name: String, layer: Int
    ) throws(CoordinatorError) {
        let unitCount = engine.exchange.count + 1
        let byteCount = sumByteCount * options.batchSize
        try engine.runBetweenSteps(
            name, layer: layer, byteCount: (unitCount + 1) * byteCount,
            macCount: unitCount * byteCount / options.model.bytesPerActivation)
    }

    /// Decides which neurons of a block of a layer are computed for each sequence, and learns from
    /// who was active.
    private mutating func predict(_ block: Int, layer: Int) -> [PackedSet] {
        var computed: [PackedSet] = []
        let isLastLayer = layer + 1 == options.model.layerCount
        for sequence in 0..<options.batchSize {
            guard options.predictor != nil else {
                let all = PackedSet.full(elementCount: blocks[block].neuronCount)
                blocks[block].note(known: all, sequence: sequence, isLastLayer: isLastLayer)
                computed.append(all)
                continue
            }
            let truth = activity.activeNeurons(sequence: sequence, layer: layer, block: block)
            var predicted = PackedSet(elementCount: truth.elementCount)
            predictors[sequence].predict(
                layer: layer, block: block, parents: blocks[block].known[sequence],
                truth: predictors[sequence].needsTruth ? truth : nil, into: &predicted)
            if layer > 0 { score.add(predicted: predicted, active: truth) }
            var active = truth
            if options.feedback == .observed { active.formIntersection(predicted) }
            predictors[sequence].observe(
                layer: layer, block: block, active: active,
                observed: options.feedback == .observed ? predicted : nil)
            blocks[block].note(known: active, sequence: sequence, isLastLayer: isLastLayer)
            computed.append(predicted)
        }
        return computed
    }

    /// Decides which unit computes what.
    private mutating func plan(_ computed: [PackedSet], block: Int, layer: Int) {
        let foreseen = foresight.map { source in
            (0..<options.batchSize).map {
                source.activeNeurons(sequence: $0, layer: layer, block: block)
            }
        }
        blocks[block].plan(
            computed, layer: layer, observesAll: options.feedback == .full, foreseen: foreseen)
    }

    private mutating func advanceActivity() -> Bool {
        _ = foresight?.advance()
        return activity.advance()
    }

    private mutating func attend(layer: Int) throws(CoordinatorError) {
        let step = engine.exchange.nextStep()
        engine.beginStep("attention", layer: layer)
        var requests: [(dimm: Int, header: MessageHeader, replyByteCount: Int)] = []
        for dimm in engine.exchange.indices {
            guard let sizes = attentionSizes(layer: layer, dimm: dimm) else { continue }
            let header = MessageHeader(
                .attend, layer: layer, position: position, count: sizes.headCount, step: step)
            let stamped = try engine.sending(header, byteCount: sizes.request, to: dimm)
            try engine.exchange.send(
                stamped, to: dimm, payloadByteCount: sizes.request, writtenByteCount: 0
            ) { _ in }
            requests.append((dimm, header, sizes.reply))
        }
        for request in requests {
            let answer = try engine.exchange.receiveShape(
                .attentionContext, from: request.dimm, answering: request.header,
                payloadByteCount: request.replyByteCount)
            ledger.add(
                neurons: 0,
                multiplyAccumulates: Int(clamping: answer.report.multiplyAccumulateCount),
                toDIMM: request.dimm)
            ledger.add(keyValueReads: answer.report.readByteCount, ofDIMM: request.dimm)
            try engine.note(answer, from: request.dimm)
        }
        try engine.endStep()
        guard options.attentionSplit == .sequence else { return }
        // Contexts over parts of the positions, weighted by their sums, make the whole one.
        try merge(
            options.model.querySize * options.model.bytesPerActivation, "merge attention",
            layer: layer)
    }

    /// Heads and payloads of a DIMM's attention; `nil` where it has no part.
    private func attentionSizes(
        layer: Int, dimm: Int
    ) -> (headCount: Int, request: Int, reply: Int)? {
        let model = options.model
        let element = model.bytesPerActivation * options.batchSize
        let group = model.queryHeadCount / model.keyValueHeadCount
        switch options.attentionSplit {
        case .heads:
            let count = heads.heads(layer: layer, dimm: dimm).count
            guard count > 0 else { return nil }
            return (
                count, count * (group + 2) * model.headSize * element,
                count * group * model.headSize * element
            )
        case .sequence:
            let ownsPosition = position % engine.exchange.count == dimm
            return (
                model.keyValueHeadCount,
                (model.querySize + (ownsPosition ? 2 * model.keyValueSize : 0)) * element,
                model.queryHeadCount * (model.headSize + 2) * element
            )
        }
    }

    /// The output projection, and what moves in its shadow.
    ///
    /// - Parameter feedForward: the neurons that the MLP behind it computes, for each sequence.
    private mutating func project(
        layer: Int, before feedForward: [PackedSet]
    ) throws(CoordinatorError) {
        engine.beginStep("projection", layer: layer)
        let model = options.model
        let macCount = model.projectionWeightCount * options.batchSize
        let machine = options.policy.machine
        var shadow = machine.byteCountInShadow(
            of: machine.kernelDuration(
                byteCount: model.projectionByteCount, macCount: macCount))
        // MLP neurons first: theirs is most of the work.
        for block in blocks.indices.reversed() {
            let before = blocks[block].migration.record.hotSwapByteCount
            let usefulCount =
                block == 1 ? usefulCopyCount(for: feedForward, layer: layer) : .max
            let copyByteCount = blocks[block].wireBlock.neuronByteCount
            let byteLimit = min(shadow / copyByteCount, usefulCount) * copyByteCount
            try engine.moveNeurons(
                of: &blocks[block].migration, layer: layer,
                MovementSizes(
                    block: block, peerByteCount: blocks[block].wireBlock.neuronByteCount,
                    copyByteCount: blocks[block].wireBlock.neuronByteCount,
                    peerMessageByteCount: options.policy.peerMessageByteCount,
                    shadowByteCount: byteLimit, keepsCopies: false),
                wanted: blocks[block].scores(
                    layer: layer, by: options, block: block, byteLimit: byteLimit))
            shadow -= blocks[block].migration.record.hotSwapByteCount - before
        }
        try engine.time?.runKernel(
            "projection", byteCount: model.projectionByteCount, macCount: macCount,
            synchronises: true)
        try engine.endStep()
        for block in blocks.indices {
            let settled = try engine.settleCopies(&blocks[block].migration, layer: layer)
            blocks[block].apply(settled)
        }
    }

    /// Copies of MLP neurons that shorten the layer. Who QKV computes in the next token is not
    /// known yet: for it all that are hot are useful.
    private func usefulCopyCount(for computed: [PackedSet], layer: Int) -> Int {
        // A native run cannot tell. Most of a host's step is a cost that no copy takes away, and
        // the calibration rests on copies that do not depend on it.
        guard engine.time != nil, options.host == nil else { return .max }
        return blocks[1].usefulCopyCount(
            for: computed, layer: layer, machine: options.policy.machine)
    }

    private mutating func runHead() throws(CoordinatorError) {
        let model = options.model
        let macCount = model.headWeightCount * options.batchSize
        engine.beginStep("output head", layer: -1)
        try engine.time?.runKernel(
            "output head", byteCount: model.headByteCount, macCount: macCount,
            synchronises: false)
        try engine.endStep()
    }
}
