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

    /// The topology that the coordinator sent; `nil` in a native run.
    static func topology(
        _ configuration: WorkerConfiguration
    ) throws(LinkError) -> Topology? {
        guard configuration.isTimed else { return nil }
        let topology: Topology
        do {
            topology = try Topology.parse(
                configuration.topologyText, fileName: "the coordinator's topology")
        } catch {
            throw .peerCorrupt("\(error)")
        }
        guard configuration.dimmIndex < topology.dimms.count else {
            throw .peerCorrupt("the topology has no DIMM \(configuration.dimmIndex)")
        }
        return topology
    }

    /// The model of this DIMM.
    static func timer(
        _ topology: Topology, _ configuration: WorkerConfiguration, model: DecoderModel
    ) throws(LinkError) -> DIMMTimer {
        do {
            return try DIMMTimer(
                dimm: topology.dimms[configuration.dimmIndex], model: model,
                isSparse: configuration.isSparse)
        } catch {
            throw .peerCorrupt("\(error)")
        }
    }
}
