package import Messages
import ModelFile
import NeuronPlacement
import PackedSets
import Transformer

/// What workers are told before the first token, and after the last.
extension Coordinator {
    /// Sends every worker its configuration; they load while the prefill runs.
    package func configureWorkers() throws(CoordinatorError) {
        for dimm in exchange.indices {
            let configuration = WorkerConfiguration(
                dimmIndex: dimm, dimmCount: exchange.count,
                contextCapacity: options.contextCapacity, isSparse: options.rule != nil,
                layerCount: model.shape.layerCount, isTimed: time != nil,
                spareSlotCount: spareSlotCount, hasHomes: options.start != nil,
                topologyText: options.topologyText)
            try exchange.send(
                MessageHeader(.configure, step: 0), to: dimm,
                payloadByteCount: configuration.byteCount
            ) { configuration.encode(into: &$0) }
        }
        if options.start != nil {
            for dimm in exchange.indices { try sendHomes(to: dimm) }
        }
        // Only when all have begun to load: a ring has room for few rules, the rest wait.
        guard let rule = options.rule else { return }
        for dimm in exchange.indices { try sendRules(rule, to: dimm) }
    }

    private func sendHomes(to dimm: Int) throws(CoordinatorError) {
        for layer in 0..<model.shape.layerCount {
            let words = [homePlan.qkv[layer], homePlan.feedForward[layer]].flatMap { home in
                PackedSet(
                    elementCount: home.neuronCount,
                    members: home.neurons(ofDIMM: dimm).map { Int($0) }
                ).words
            }
            try exchange.send(
                MessageHeader(.setHomes, layer: layer, step: 0), to: dimm,
                payloadByteCount: 8 * words.count
            ) { $0.store(words.span, at: MessageHeader.byteCount) }
        }
    }

    private func sendRules(_ rule: ActivityRule, to dimm: Int) throws(CoordinatorError) {
        for layer in 0..<model.shape.layerCount {
            let neurons = homePlan.feedForward[layer].neurons(ofDIMM: dimm)
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
        try exchange.collectFacts(.ready, step: 0)
    }

    /// Tells the workers to leave and waits for their last facts.
    package func shutDown() throws(CoordinatorError) -> [WorkerFacts] { try engine.shutDown() }
}
