import ActivationPredictor
import Coordinator
import DIMMWorker
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Quantities
import RDMATransport
import RingTransport
import SocketTransport
import Supervision
import Topology
import Transformer

/// How much memory a run takes, where, and whether topology and machine have it.
struct ResourcePlan {
    private let model: DecoderModel
    private let topology: Topology
    private let isSparse: Bool
    private let isReference: Bool
    private let placement: PlacementChoice
    /// Whether the coordinator keeps keys and values, to send them to a worker that takes another's
    /// place.
    private let keepsRows: Bool
    /// DIMMs whose workers run on other hosts.
    private let farDIMMs: Set<Int>
    private let transport: TransportChoice
    let contextCapacity: Int
    private let homes: Homes
    /// Bytes of each DIMM's shard and KV cache, in DIMM order.
    let dimmByteCounts: [Int]

    /// Where neurons are when the run starts.
    enum Homes {
        case roundRobin
        /// Decided after the prompt; until then nobody can say what each DIMM will hold.
        case undecided
        /// - source: for messages.
        case planned(HomePlan, source: String)
    }

    /// What a process of this program needs besides weights and caches: code, stacks, buffers.
    /// Measured with the default model on 4 DIMMs, Private_Dirty: 3.1 MB in a worker above its
    /// shard, 16.1 MB in the coordinator above its hot copies.
    private static let processOverheadByteCount = 17_000_000

    init(
        model: DecoderModel, topology: Topology, contextCapacity: Int, isSparse: Bool,
        isReference: Bool, placement: PlacementChoice = .none, keepsRows: Bool = false,
        farDIMMs: Set<Int> = [], transport: TransportChoice = .sharedMemory,
        homes: Homes = .roundRobin
    ) {
        self.model = model
        self.topology = topology
        self.contextCapacity = contextCapacity
        self.isSparse = isSparse
        self.isReference = isReference
        self.placement = placement
        self.keepsRows = keepsRows
        self.farDIMMs = farDIMMs
        self.transport = transport
        self.homes = homes
        let count = topology.dimms.count
        let mobility = ShardMobility(
            spareSlotCount: placement.rebalancing == .none
                ? 0
                : PlacementPolicy.spareSlotCount(
                    neuronCount: model.shape.feedForwardSize, dimmCount: count),
            sharesScales: true)
        var plan = HomePlan(
            layerCount: model.shape.layerCount, qkvNeuronCount: model.shape.hiddenSize,
            feedForwardNeuronCount: model.shape.feedForwardSize, dimmCount: count)
        if case .planned(let planned, _) = homes { plan = planned }
        dimmByteCounts = (0..<count).map { dimm in
            NeuronShard.byteCount(
                of: plan.assignment(ofDIMM: dimm), weights: model.weights, mobility: mobility)
                + Self.keyValueByteCount(
                    model, dimm: dimm, dimmCount: count, capacity: contextCapacity)
        }
    }

    /// The same run with its neurons elsewhere.
    func with(homes: Homes) -> ResourcePlan {
        ResourcePlan(
            model: model, topology: topology, contextCapacity: contextCapacity,
            isSparse: isSparse, isReference: isReference, placement: placement,
            keepsRows: keepsRows, farDIMMs: farDIMMs, transport: transport,
            homes: homes)
    }

    private static func keyValueByteCount(
        _ model: DecoderModel, dimm: Int, dimmCount: Int, capacity: Int
    ) -> Int {
        let map = HeadMap(
            keyValueHeadCount: model.shape.keyValueHeadCount, dimmCount: dimmCount)
        let heads = (0..<model.shape.layerCount).reduce(0) {
            $0 + map.heads(layer: $1, dimm: dimm).count
        }
        return heads * capacity * model.shape.headSize * 8
    }

    /// Weights that every token reads on the GPU whatever is hot: embeddings, output head, output
    /// projections, norms, biases of sums, and the shift matrices of a sparse run.
    private var denseByteCount: Int {
        let counts = model.weights.byteCounts
        let hidden = model.shape.hiddenSize
        let shifts = isSparse ? 2 * hidden * hidden * model.shape.layerCount : 0
        return counts.tokenEmbedding + counts.positionEmbedding + counts.output
            + counts.attentionOutput + counts.norms + counts.biases + shifts
    }

    /// GPU memory that is left for copies of hot neurons.
    var hotMemoryByteCount: Int {
        max(0, Int(clamping: topology.gpu.usableMemory.bytes) - denseByteCount)
    }

    /// Bytes that copies of these neurons take, padding and tables of scales included.
    func hotByteCount(of hot: NeuronAssignment) -> Int {
        NeuronShard.byteCount(
            of: hot, weights: model.weights,
            mobility: ShardMobility(
                spareSlotCount: 0, sharesScales: !placement.adjustsHotSet))
    }

    /// A DIMM's memory that its KV cache leaves for neurons.
    func neuronMemoryByteCount(dimm: Int) -> Int {
        let capacity = Int(clamping: topology.dimms[dimm].memoryCapacity.bytes)
        let keyValues = Self.keyValueByteCount(
            model, dimm: dimm, dimmCount: topology.dimms.count, capacity: contextCapacity)
        return max(0, capacity - keyValues)
    }

    /// Bytes of each direction of a worker's ring: the longest message, four times.
    var ringCapacity: Int {
        let shape = model.shape
        let vectors = max(shape.qkvWidth, shape.hiddenSize)
        let bits =
            8 * PackedSet.wordCount(elementCount: max(shape.hiddenSize, shape.feedForwardSize))
        let rule = 4 + 8 * shape.feedForwardSize
        let elementSize = PartialSum.elementByteCount(isWide: isSparse)
        let homes = [shape.hiddenSize, shape.feedForwardSize].reduce(0) {
            $0 + 8 * PackedSet.wordCount(elementCount: $1)
        }
        let copy =
            placement.adjustsHotSet
            ? WorkReport.byteCount + NeuronShard.parcelByteCount(weights: model.weights) : 0
        let configuration = WorkerConfiguration.byteCount(
            topologyByteCount: topology.rendered().utf8.count)
        let longest =
            MessageHeader.byteCount
            + max(elementSize * vectors + bits, rule, copy, homes, configuration)
        return RingSegment.capacity(forMessageByteCount: longest, messageCount: 4)
    }

    /// The pairs of DIMMs whose workers hand neurons to each other.
    var peers: [Topology.DIMMPair] {
        placement.rebalancing == .none ? [] : topology.dimmLinks?.pairs ?? []
    }

    /// Neurons that one message between DIMMs carries at least.
    private static let neuronsPerMessage = 8

    /// Bytes of each direction of a ring between two workers.
    var peerRingCapacity: Int {
        let rule = isSparse ? 8 : 0
        let neuron = NeuronShard.parcelByteCount(weights: model.weights) + rule
        return RingSegment.capacity(
            forMessageByteCount: MessageHeader.byteCount + Self.neuronsPerMessage * neuron,
            messageCount: 2)
    }

    /// What decides about neurons while the run goes on; `nil` where none moves.
    ///
    /// - Parameter constants: how a neuron's state rises and falls, and when it is hot.
    func placementPolicy(constants: PredictorConstants) -> PlacementPolicy? {
        guard placement.movesNeurons else { return nil }
        let rule = isSparse ? 8 : 0
        let neuron = NeuronShard.parcelByteCount(weights: model.weights) + rule
        return PlacementPolicy(
            rebalancing: placement.rebalancing, adjustsHotSet: placement.adjustsHotSet,
            machine: EmulatedMachine(topology),
            peerMessageByteCount: MessageHeader.byteCount + Self.neuronsPerMessage * neuron,
            constants: constants)
    }

    /// Throws if the topology's GPU cannot hold the dense part (exit 65).
    func checkGPUMemory() throws {
        guard denseByteCount <= Int(clamping: topology.gpu.usableMemory.bytes) else {
            throw Failure(
                .badInput,
                "topology '\(topology.name)': gpu usable memory \(topology.gpu.usableMemory) is "
                    + "less than the \(denseByteCount) bytes of the model's dense part")
        }
    }

    /// Throws what the topology (exit 65) or the machine (exit 69) has too little of.
    func check() throws {
        try checkGPUMemory()
        if !isReference { try checkDIMMMemory() }
        try checkMachine()
    }

    private func checkDIMMMemory() throws {
        var share = "its share of the model"
        switch homes {
        case .roundRobin: break
        case .undecided: return
        case .planned(_, let source): share += " by partition '\(source)'"
        }
        for dimm in topology.dimms {
            let needed = dimmByteCounts[dimm.index]
            guard needed <= Int(clamping: dimm.memoryCapacity.bytes) else {
                throw Failure(
                    .badInput,
                    "topology '\(topology.name)': dimms[\(dimm.index)] holds "
                        + "\(dimm.memoryCapacity), \(share) takes \(needed) bytes")
            }
        }
    }

    var rings: WorkerFleet.Rings {
        WorkerFleet.Rings(capacity: ringCapacity, peers: peers, peerCapacity: peerRingCapacity)
    }

    /// Bytes of all rings together.
    var ringByteCount: Int {
        guard transport == .sharedMemory else { return 0 }
        return 2 * ringCapacity * topology.dimms.count + 2 * peerRingCapacity * peers.count
    }

    /// Bytes that this machine's ends of connections hold at most.
    private var connectionByteCount: Int {
        let count = topology.dimms.count
        let capacity = rings.windowCapacity(dimmCount: count)
        let byteCount =
            switch transport {
            case .sharedMemory: 0
            case .tcp: SocketLink.byteCount(capacity: capacity)
            case .rdma: RDMALink.byteCount(capacity: capacity)
            }
        return (count + (count - farDIMMs.count)) * byteCount
    }

    /// Bytes that this machine's memory holds of weights, caches, messages and processes.
    var neededByteCount: Int {
        let keyValues = Self.keyValueByteCount(
            model, dimm: 0, dimmCount: 1, capacity: contextCapacity)
        let near = dimmByteCounts.indices.filter { !farDIMMs.contains($0) }
        let sharded =
            near.reduce(0) { $0 + dimmByteCounts[$1] } + ringByteCount + connectionByteCount
        let processCount = isReference ? 1 : 1 + near.count
        // The prefill keeps a copy of keys and values until the DIMMs have theirs.
        return (isReference ? 0 : sharded + (keepsRows ? keyValues : 0)) + keyValues
            + processCount * Self.processOverheadByteCount
    }

    private func checkMachine() throws {
        let available: MemoryAvailability
        do {
            available = try MemoryAvailability.current()
        } catch {
            throw Failure(.machineLacks, "cannot find out how much memory is free: \(error)")
        }
        let needed = neededByteCount
        guard needed <= available.availableByteCount else {
            throw Failure(
                .machineLacks,
                "too little memory: the run needs \(needed) bytes for weights, caches and "
                    + "processes; \(available)")
        }
    }
}
