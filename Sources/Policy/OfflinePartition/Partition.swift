/// Where every neuron lives: its home DIMM, and whether the GPU holds a copy.
package struct Partition: Equatable, Sendable {
    /// One block of one layer.
    package struct Block: Equatable, Sendable {
        /// Neurons with a copy on the GPU, ascending.
        package let hotNeurons: [UInt32]
        /// The home DIMM of each neuron, [neurons].
        package let homes: [UInt16]

        package init(hotNeurons: [UInt32], homes: [UInt16]) {
            self.hotNeurons = hotNeurons
            self.homes = homes
        }

        package var neuronCount: Int { homes.count }
    }

    /// Layer by layer, all blocks of a layer together.
    package let blocks: [Block]
    package let blocksPerLayer: Int
    package let dimmCount: Int
    /// SHA-256 of the model file that it was made for, 32 bytes; empty where there is none.
    package let modelHash: [UInt8]

    /// - Throws: when hot neurons do not ascend, or a neuron or DIMM does not exist.
    package init(
        blocks: [Block], blocksPerLayer: Int, dimmCount: Int, modelHash: [UInt8] = []
    ) throws(PartitionError) {
        precondition(blocksPerLayer >= 1)
        precondition(modelHash.isEmpty || modelHash.count == Self.hashByteCount)
        guard !blocks.isEmpty else { throw .noSteps }
        guard blocks.count.isMultiple(of: blocksPerLayer) else {
            throw .incompleteLayer(stepCount: blocks.count, blocksPerLayer: blocksPerLayer)
        }
        guard (1...65536).contains(dimmCount) else { throw .dimmCountOutOfRange(dimmCount) }
        for (step, block) in blocks.enumerated() {
            try Self.verify(block, step: step, dimmCount: dimmCount)
        }
        self.blocks = blocks
        self.blocksPerLayer = blocksPerLayer
        self.dimmCount = dimmCount
        self.modelHash = modelHash
    }

    private static func verify(
        _ block: Block, step: Int, dimmCount: Int
    ) throws(PartitionError) {
        var previous: UInt32?
        for neuron in block.hotNeurons {
            guard previous.map({ $0 < neuron }) ?? true else {
                throw .hotNeuronsNotAscending(step: step)
            }
            previous = neuron
        }
        if let last = previous, Int(last) >= block.neuronCount {
            throw .noSuchNeuron(step: step, neuron: last, neuronCount: block.neuronCount)
        }
        for (neuron, dimm) in block.homes.enumerated() where Int(dimm) >= dimmCount {
            throw .noSuchDIMM(step: step, neuron: neuron, dimm: dimm, dimmCount: dimmCount)
        }
    }

    static let hashByteCount = 32

    private init(_ other: Partition, modelHash: [UInt8]) {
        precondition(modelHash.isEmpty || modelHash.count == Self.hashByteCount)
        blocks = other.blocks
        blocksPerLayer = other.blocksPerLayer
        dimmCount = other.dimmCount
        self.modelHash = modelHash
    }

    /// The same for a model file of this SHA-256.
    package func of(modelHash: [UInt8]) -> Partition { Partition(self, modelHash: modelHash) }

    package var layerCount: Int { blocks.count / blocksPerLayer }

    package subscript(layer layer: Int, block block: Int) -> Block {
        precondition(block >= 0 && block < blocksPerLayer)
        return blocks[layer * blocksPerLayer + block]
    }
}
