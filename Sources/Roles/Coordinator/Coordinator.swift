import MappedMemory
package import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
package import Transformer

/// Plays the GPU and the host scheduler: runs the prefill, splits every layer between its hot
/// neurons and the DIMMs' cold ones, and adds the partial sums in one fixed order.
///
/// A token's path through a layer: norm, QKV on all units, attention on the DIMMs that own the
/// heads, output projection here, norm, feed-forward on all units. Partial sums are added as
/// GPU, DIMM 0, DIMM 1, …, so timing never changes a value.
package struct Coordinator: ~Copyable {
    package let model: LlamaModel
    package let options: CoordinatorOptions
    private let exchange: WorkerExchange
    private let heads: HeadMap
    private var gpu: GPURole?
    private var cold: ColdSets?
    private var buffers: TokenBuffers
    /// What the run did, per DIMM and token.
    package private(set) var ledger: WorkLedger

    /// - Parameter links: one per DIMM, in DIMM order; workers wait behind them.
    package init(
        model: LlamaModel, links: [any MessageLink], options: CoordinatorOptions
    ) {
        precondition(!links.isEmpty)
        self.model = model
        self.options = options
        exchange = WorkerExchange(links: links)
        heads = HeadMap(
            keyValueHeadCount: model.shape.keyValueHeadCount, dimmCount: links.count)
        buffers = TokenBuffers(model: model, isWide: options.rule != nil)
        ledger = WorkLedger(dimmCount: links.count)
    }

    // MARK: Start and end

    /// Sends every worker its configuration; they load while the prefill runs.
    package func configureWorkers() throws(CoordinatorError) {
        for dimm in exchange.indices {
            let configuration = WorkerConfiguration(
                dimmIndex: dimm, dimmCount: exchange.count,
                contextCapacity: options.contextCapacity, isSparse: options.rule != nil,
                layerCount: model.shape.layerCount)
            try exchange.send(
                MessageHeader(.configure, step: 0), to: dimm,
                payloadByteCount: WorkerConfiguration.byteCount
            ) { configuration.encode(into: &$0) }
            if let rule = options.rule { try sendRules(rule, to: dimm) }
        }
    }

    private func sendRules(_ rule: ActivityRule, to dimm: Int) throws(CoordinatorError) {
        let home = HomeMap(
            neuronCount: model.shape.feedForwardSize, dimmCount: exchange.count)
        let neurons = home.neurons(ofDIMM: dimm)
        for layer in 0..<model.shape.layerCount {
            let floats =
                [rule.thresholds[layer]] + neurons.map { rule.means[layer][Int($0)] }
                + neurons.map { rule.weights[layer][Int($0)] }
            try exchange.send(
                MessageHeader(.setActivityRule, layer: layer, count: neurons.count, step: 0),
                to: dimm, payloadByteCount: 4 * floats.count
            ) { $0.store(floats.span, at: MessageHeader.byteCount) }
        }
    }

    /// Waits until every worker has loaded its shard: their facts, in DIMM order.
    package func awaitWorkers() throws(CoordinatorError) -> [WorkerFacts] {
        try exchange.collectFacts(.ready)
    }

    /// Tells the workers to leave and waits for their last facts.
    package func shutDown() throws(CoordinatorError) -> [WorkerFacts] {
        let step = exchange.nextStep()
        for dimm in exchange.indices {
            try exchange.send(
                MessageHeader(.shutDown, step: step), to: dimm, payloadByteCount: 0
            ) { _ in }
        }
        return try exchange.collectFacts(.farewell)
    }

    // MARK: Prefill

    /// Hands the prefill's keys and values to the DIMMs that own the heads, and copies the hot
    /// neurons to the GPU role.
    ///
    /// - Parameters:
    ///   - prefill: has run the prompt densely.
    ///   - tokenCount: positions in its cache.
    package mutating func adopt(
        prefill: borrowing ReferenceTransformer, tokenCount: Int
    ) throws(CoordinatorError) {
        let shape = model.shape
        for layer in 0..<shape.layerCount {
            for head in 0..<shape.keyValueHeadCount {
                try sendRows(of: prefill.cache, layer: layer, head: head, count: tokenCount)
            }
        }
        let hot = options.chooseHot(model: model, activityCounts: prefill.activityCounts)
        cold = ColdSets(model: model, hot: hot, dimmCount: exchange.count)
        do {
            gpu = try GPURole(model: model, hot: hot, rule: options.rule)
        } catch {
            throw .gpu(error.description)
        }
        ledger.hotWeightByteCount = NeuronShard.byteCount(of: hot, weights: model.weights)
    }

    /// Sends one head's rows in messages that fit the link.
    private func sendRows(
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
            try exchange.send(
                header, to: dimm, payloadByteCount: 8 * rowCount * rowFloats
            ) { message in
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
    /// - Precondition: ``adopt(prefill:tokenCount:)`` has run.
    package mutating func decode(_ token: Int32, at position: Int) throws(CoordinatorError) -> [Float] {
        precondition(position < options.contextCapacity)
        ledger.beginToken()
        buffers.embed(Int(token), model: model)
        for layer in 0..<model.shape.layerCount {
            let weights = model.weights.layers[layer]
            let norms = model.norms[layer]
            buffers.normalise(by: norms.attention, epsilon: model.shape.normEpsilon)
            try projectQKV(layer: layer, position: position)
            try attend(layer: layer, position: position)
            buffers.projectAttention(weights.attentionOutput, model: model)
            buffers.normalise(by: norms.feedForward, epsilon: model.shape.normEpsilon)
            try feedForward(layer: layer, position: position)
        }
        ledger.endToken()
        return model.logits(of: buffers.state.span, threadCount: options.threadCount)
    }

    private mutating func projectQKV(layer: Int, position: Int) throws(CoordinatorError) {
        guard let cold else { preconditionFailure("decode before adopt") }
        let header = MessageHeader(
            .projectQKV, layer: layer, position: position, step: exchange.nextStep())
        try sendInput(header, sets: cold.qkv[layer])
        gpu?.projectQKV(layer: layer, input: buffers.normed, into: &buffers.sum)
        let width = model.shape.qkvWidth
        for dimm in exchange.indices {
            let active = try exchange.addPartialSum(
                from: dimm, answering: header, elementCount: width,
                neuronLimit: cold.qkv[layer][dimm].memberCount, to: &buffers.sum)
            ledger.add(neurons: active, multiplyAccumulates: active * width, toDIMM: dimm)
        }
        buffers.finishQKV()
    }

    private mutating func feedForward(layer: Int, position: Int) throws(CoordinatorError) {
        guard let cold else { preconditionFailure("decode before adopt") }
        let header = MessageHeader(
            .feedForward, layer: layer, position: position, step: exchange.nextStep())
        try sendInput(header, sets: cold.feedForward[layer])
        gpu?.feedForward(layer: layer, input: buffers.normed, into: &buffers.sum)
        let hidden = model.shape.hiddenSize
        for dimm in exchange.indices {
            let candidates = cold.feedForward[layer][dimm].memberCount
            let active = try exchange.addPartialSum(
                from: dimm, answering: header, elementCount: hidden, neuronLimit: candidates,
                to: &buffers.sum)
            // Gates of all candidates, up and down of the active ones.
            ledger.add(
                neurons: active, multiplyAccumulates: (candidates + 2 * active) * hidden,
                toDIMM: dimm)
        }
        buffers.finishFeedForward()
        if let rule = options.rule { buffers.addShift(rule, layer: layer) }
    }

    private func sendInput(
        _ header: MessageHeader, sets: [SlotSet]
    ) throws(CoordinatorError) {
        let input = buffers.normed
        for dimm in exchange.indices {
            let set = sets[dimm]
            try exchange.send(
                header, to: dimm, payloadByteCount: set.byteCount + 4 * input.count
            ) { message in
                message.store(set.words.span, at: MessageHeader.byteCount)
                message.store(input.span, at: MessageHeader.byteCount + set.byteCount)
            }
        }
    }

    private mutating func attend(layer: Int, position: Int) throws(CoordinatorError) {
        let shape = model.shape
        let step = exchange.nextStep()
        for dimm in exchange.indices {
            let owned = heads.heads(layer: layer, dimm: dimm)
            if owned.isEmpty { continue }
            let header = MessageHeader(
                .attend, layer: layer, position: position, count: owned.count, step: step)
            let vectorCount = shape.groupWidth + 2 * shape.headSize
            try exchange.send(
                header, to: dimm, payloadByteCount: 4 * owned.count * vectorCount
            ) { buffers.writeHeads(owned, shape: shape, into: &$0) }
        }
        for dimm in exchange.indices {
            let owned = heads.heads(layer: layer, dimm: dimm)
            if owned.isEmpty { continue }
            let header = MessageHeader(
                .attend, layer: layer, position: position, count: owned.count, step: step)
            try exchange.receiveContext(
                from: dimm, answering: header, heads: owned, groupWidth: shape.groupWidth,
                into: &buffers.context)
            ledger.add(
                neurons: 0,
                multiplyAccumulates: 2 * owned.count * shape.groupWidth * (position + 1),
                toDIMM: dimm)
        }
    }
}
