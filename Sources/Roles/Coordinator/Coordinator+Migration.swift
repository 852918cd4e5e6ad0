import ActivationPredictor
import HardwareModel
import MappedMemory
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Pacing
import Quantities
package import Scheduling
import Transformer

/// Neurons of a real model that move: their sizes, and what becomes of the GPU's copies.
extension Coordinator {
    // MARK: Start

    /// Room for neurons of other DIMMs in each layer of a worker.
    var spareSlotCount: Int {
        guard let placement = options.placement, placement.rebalancing != .none else { return 0 }
        return PlacementPolicy.spareSlotCount(
            neuronCount: model.shape.feedForwardSize, dimmCount: exchange.count)
    }

    /// The run's moving neurons at their start; `nil` where none moves.
    func startMigration(
        hot: NeuronAssignment, gpu: borrowing GPURole, prefill: borrowing ReferenceTransformer
    ) -> Migration? {
        guard let placement = options.placement else { return nil }
        let parcel = (0..<model.shape.layerCount).map { gpu.parcelByteCount(layer: $0) }.max() ?? 1
        // Copies overwrite copies: the memory stays what the chosen ones take.
        let used = hot.feedForward.reduce(0) { $0 + $1.count } * parcel
        return Migration(
            policy: placement,
            places: NeuronPlaces(
                model: model, homes: homePlan,
                mobility: ShardMobility(spareSlotCount: spareSlotCount, sharesScales: true)),
            hotSet: HotBudget(
                hotShare: options.hotSet.hotShare, memoryByteCount: used,
                bytesPerNeuron: [parcel]),
            hot: hot.feedForward,
            prefill: PrefillActivity(
                layout: NeuronLayout(
                    layerCount: model.shape.layerCount,
                    neuronCounts: [model.shape.feedForwardSize]),
                counts: prefill.activityCounts.map { [$0] }, tokenCount: prefill.tokenCount))
    }

    /// While held, neurons stay where they are and nothing is learnt: for rehearsals.
    package mutating func holdPlacement(_ isHeld: Bool) { migration?.isHeld = isHeld }

    /// What moved so far; `nil` where nothing may.
    package var migrationRecord: MigrationRecord? { migration?.record }

    /// Each neuron's home DIMM; `nil` where neurons do not move.
    package var homes: HomeTable? { migration?.places.homes }

    // MARK: While a projection runs

    /// Sends what was planned for a layer on its way; the step of its projection has begun.
    mutating func moveNeurons(layer: Int) throws(CoordinatorError) {
        guard var moving = migration.take(), let placement = options.placement else { return }
        defer { migration = moving }
        let parcel = neuronByteCount(layer: layer)
        let rule = options.rule == nil ? 0 : Self.ruleByteCount
        try engine.moveNeurons(
            of: &moving, layer: layer,
            MovementSizes(
                peerByteCount: parcel + rule, copyByteCount: parcel,
                peerMessageByteCount: placement.peerMessageByteCount,
                shadowByteCount: placement.machine.byteCountInShadow(
                    of: placement.machine.duration(ofProjection: layer, of: model))))
    }

    /// Mean and weight of an activity rule travel with a neuron.
    private static var ruleByteCount: Int { 8 }

    private func neuronByteCount(layer: Int) -> Int {
        gpu?.parcelByteCount(layer: layer) ?? 0
    }

    // MARK: Between tokens

    /// What has come counts from here on; what was active decides who moves next.
    mutating func settleMigration() throws(CoordinatorError) {
        guard var moving = migration.take() else { return }
        let settled: Migration.Settlement
        do {
            defer { migration = moving }
            settled = try engine.settle(&moving)
        }
        for arrival in settled.hot { overwriteCopies(with: arrival) }
        for layer in settled.layers {
            guard let hot,
                let sets = migration?.places.coldSets(
                    layer: layer, hot: hot.feedForward[layer])
            else { continue }
            cold?.feedForward[layer] = sets
            if let places = migration?.places, let wordCount = prediction?.placeWordCount {
                prediction?.move(
                    to: NeuronHomes(places, layer: layer, placeWordCount: wordCount),
                    layer: layer)
            }
        }
    }

    private mutating func overwriteCopies(with arrival: Migration.HotArrival) {
        guard var neurons = hot?.feedForward else { return }
        let layer = arrival.layer
        let byteCount = neuronByteCount(layer: layer)
        for (index, swap) in arrival.swaps.enumerated() {
            guard let evicted = swap.evicted,
                let slot = neurons[layer].firstIndex(of: UInt32(evicted))
            else { preconditionFailure("a copy overwrites one that is there") }
            gpu?.overwrite(
                slot: slot, layer: layer, with: swap.copiedIn, weights: arrival.weights,
                at: index * byteCount, rule: options.rule)
            neurons[layer][slot] = UInt32(swap.copiedIn)
        }
        hot = hot.map { NeuronAssignment(qkv: $0.qkv, feedForward: neurons) }
    }
}

extension EmulatedMachine {
    /// How long the GPU is busy with a layer's output projection.
    fileprivate func duration(ofProjection layer: Int, of model: DecoderModel) -> EmulatedDuration {
        let weights = model.weights.layers[layer]
        let tensors = [weights.attentionOutput, weights.biases?.attentionOutput].compactMap { $0 }
        return kernelDuration(
            byteCount: tensors.reduce(0) { $0 + $1.byteCount },
            macCount: tensors.reduce(0) { $0 + $1.elementCount })
    }
}
