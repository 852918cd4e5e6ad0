import ModelFile
package import NeuronPlacement
package import NeuronShards
package import Transformer

/// Where neurons are when a run starts.
package struct StartingPlacement: Equatable, Sendable {
    package let homes: HomePlan
    /// Neurons with a copy on the GPU.
    package let hot: NeuronAssignment

    package init(homes: HomePlan, hot: NeuronAssignment) {
        precondition(homes.qkv.count == hot.qkv.count)
        self.homes = homes
        self.hot = hot
    }
}

/// What a run asks of the coordinator.
package struct CoordinatorOptions: Sendable {
    /// Positions that the KV caches hold.
    package let contextCapacity: Int
    /// Which neurons count as active in decode; `nil` computes all.
    package let rule: ActivityRule?
    /// How many neurons may be hot.
    package let hotSet: HotSetSelection
    /// Threads of the GPU role's large products.
    package let threadCount: Int
    /// The topology as YAML, from which the workers build their own models.
    package let topologyText: String
    /// Who moves neurons while the run goes on; `nil` leaves all where they start.
    package let placement: PlacementPolicy?
    /// Homes and hot set that were decided beforehand; `nil` deals neurons out in turn and takes
    /// the hot set from the prefill.
    package let start: StartingPlacement?

    package init(
        contextCapacity: Int, rule: ActivityRule?, hotSet: HotSetSelection, threadCount: Int,
        topologyText: String = "", placement: PlacementPolicy? = nil,
        start: StartingPlacement? = nil
    ) {
        precondition(contextCapacity >= 1)
        precondition(threadCount >= 1)
        self.contextCapacity = contextCapacity
        self.rule = rule
        self.hotSet = hotSet
        self.threadCount = threadCount
        self.topologyText = topologyText
        self.placement = placement
        self.start = start
    }

    /// Where neurons start, decided beforehand or dealt out in turn.
    func homePlan(of model: DecoderModel, dimmCount: Int) -> HomePlan {
        if let start { return start.homes }
        return HomePlan(
            layerCount: model.shape.layerCount, qkvNeuronCount: model.shape.hiddenSize,
            feedForwardNeuronCount: model.shape.feedForwardSize, dimmCount: dimmCount)
    }

    /// Copies that others overwrite have scales of their own.
    package var hotMobility: ShardMobility {
        ShardMobility(
            spareSlotCount: 0, sharesScales: !(placement?.adjustsHotSet ?? false))
    }

    /// The hot neurons by their frequency in the prefill.
    ///
    /// A QKV neuron is an element of the normed state, which no ReLU makes zero: all are equally
    /// frequent, and the lowest indices win.
    ///
    /// Their copies, padding and whole tables of scales included, fit the memory: what a neuron
    /// costs depends on which others are hot, so the selection works with less until they do.
    func chooseHot(model: DecoderModel, activityCounts: [[UInt32]]) -> NeuronAssignment {
        let shape = model.shape
        let alwaysActive = [UInt32](repeating: 1, count: shape.hiddenSize)
        let blocks = [
            BlockActivity(
                counts: Array(repeating: alwaysActive, count: shape.layerCount),
                bytesPerNeuron: model.qkvNeuronByteCount),
            BlockActivity(
                counts: activityCounts, bytesPerNeuron: model.feedForwardNeuronByteCount),
        ]
        let leastNeuron = blocks.map(\.bytesPerNeuron).min() ?? 0
        var allowance = hotSet.memoryByteCount
        while true {
            let sets = HotSetSelection(
                hotShare: hotSet.hotShare, memoryByteCount: max(0, allowance)
            ).choose(from: blocks)
            let hot = NeuronAssignment(qkv: sets[0], feedForward: sets[1])
            let byteCount = NeuronShard.byteCount(
                of: hot, weights: model.weights, mobility: hotMobility)
            if byteCount <= hotSet.memoryByteCount { return hot }
            let planned = zip(sets, blocks).reduce(0) { sum, pair in
                sum + pair.0.reduce(0) { $0 + $1.count } * pair.1.bytesPerNeuron
            }
            // At least one neuron less each time.
            allowance = planned - max(byteCount - hotSet.memoryByteCount, leastNeuron, 1)
        }
    }
}
