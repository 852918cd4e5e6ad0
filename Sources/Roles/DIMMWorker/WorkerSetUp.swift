import HardwareModel
import Messages
import ModelFile
package import NeuronPlacement
package import NeuronShards
import PackedSets
import Topology
import Transformer

/// What a worker makes of its configuration before it loads its shard.
extension DIMMWorker {
    /// The neurons to load: as the coordinator says, layer by layer, or dealt out in turn.
    static func assignment(
        _ configuration: WorkerConfiguration, model: DecoderModel, link: any MessageLink
    ) throws(LinkError) -> NeuronAssignment {
        let shape = model.shape
        guard configuration.dimmCount <= HomeMap.dimmLimit else {
            throw .peerCorrupt("\(configuration.dimmCount) DIMMs")
        }
        guard configuration.hasHomes else {
            return HomePlan(
                layerCount: shape.layerCount, qkvNeuronCount: shape.hiddenSize,
                feedForwardNeuronCount: shape.feedForwardSize, dimmCount: configuration.dimmCount
            ).assignment(ofDIMM: configuration.dimmIndex)
        }
        var qkv: [[UInt32]] = []
        var feedForward: [[UInt32]] = []
        for layer in 0..<shape.layerCount {
            var sets = [shape.hiddenSize, shape.feedForwardSize].map {
                PackedSet(elementCount: $0)
            }
            try receiveHomes(ofLayer: layer, into: &sets, link: link)
            qkv.append(sets[0].members.map { UInt32($0) })
            feedForward.append(sets[1].members.map { UInt32($0) })
        }
        return NeuronAssignment(qkv: qkv, feedForward: feedForward)
    }

    private static func receiveHomes(
        ofLayer layer: Int, into sets: inout [PackedSet], link: any MessageLink
    ) throws(LinkError) {
        var received: Result<[PackedSet], LinkError>?
        let empty = sets
        try link.receive { message in
            received = Result { () throws(LinkError) in
                let header = try MessageHeader(decoding: message)
                guard header.kind == .setHomes, header.layer == layer else {
                    throw .peerCorrupt("expected the homes of layer \(layer), got \(header)")
                }
                var sets = empty
                var offset = MessageHeader.byteCount
                guard message.byteCount == sets.reduce(offset, { $0 + $1.byteCount }) else {
                    throw .peerCorrupt("homes of \(message.byteCount) bytes")
                }
                for index in sets.indices {
                    try sets[index].load(from: message, at: offset)
                    offset += sets[index].byteCount
                }
                return sets
            }
        }
        guard let received else { throw .peerCorrupt("no homes came") }
        sets = try received.get()
    }

    /// Room for neurons of other DIMMs, as the coordinator asks for it.
    static func mobility(
        _ configuration: WorkerConfiguration, model: DecoderModel
    ) throws(LinkError) -> ShardMobility {
        guard configuration.spareSlotCount <= model.shape.feedForwardSize else {
            throw .peerCorrupt(
                "\(configuration.spareSlotCount) spare slots for "
                    + "\(model.shape.feedForwardSize) neurons")
        }
        return ShardMobility(
            spareSlotCount: configuration.spareSlotCount, sharesScales: true)
    }

    /// The model of this DIMM.
    static func timer(
        _ topology: Topology, _ configuration: WorkerConfiguration, model: DecoderModel
    ) throws(LinkError) -> DIMMTimer {
        do {
            var timer = try DIMMTimer(
                dimm: topology.dimms[configuration.dimmIndex],
                sizes: WorkSizes(model, isSparse: configuration.isSparse))
            try timer.warmUp()
            return timer
        } catch {
            throw .peerCorrupt("\(error)")
        }
    }
}

extension HomePlan {
    /// The neurons at home on a DIMM, which its worker loads.
    package func assignment(ofDIMM dimm: Int) -> NeuronAssignment {
        NeuronAssignment(
            qkv: qkv.map { $0.neurons(ofDIMM: dimm) },
            feedForward: feedForward.map { $0.neurons(ofDIMM: dimm) })
    }
}
