import HardwareModel
import Messages
import ModelFile
import NeuronShards
import Topology
import Transformer

/// What a worker makes of its configuration before it loads its shard.
extension DIMMWorker {
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
