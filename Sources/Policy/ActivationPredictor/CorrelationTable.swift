/// For each neuron its two parents: the neurons of the same block in the layer below whose
/// activity tells most about it. Sampled offline by ``ParentSampler``; layer 0 has none.
package struct CorrelationTable: Equatable, Sendable {
    package static let parentCount = 2
    /// Parents are kept in 16 bits.
    package static let neuronLimit = 1 << 16

    package let layout: NeuronLayout
    /// Neuron `n`'s parents at 2n and 2n + 1, the stronger one first, [layers][blocks][2 neurons].
    private let parents: [[[UInt16]]]

    /// Takes over parents that were read or sampled.
    ///
    /// - Parameter parents: [layers][blocks][2 × neurons], the lists of layer 0 empty.
    /// - Throws: what does not fit `layout`, with its place.
    package init(
        layout: NeuronLayout, parents: [[[UInt16]]]
    ) throws(PredictorError) {
        precondition(layout.neuronCounts.allSatisfy { $0 <= Self.neuronLimit })
        guard parents.count == layout.layerCount else {
            throw .layerCount(parents.count, expected: layout.layerCount)
        }
        for (layer, blocks) in parents.enumerated() {
            guard blocks.count == layout.blockCount else {
                throw .blockCount(blocks.count, layer: layer, expected: layout.blockCount)
            }
            for (block, list) in blocks.enumerated() {
                let neuronCount = layout.neuronCounts[block]
                let expected = layer == 0 ? 0 : Self.parentCount * neuronCount
                guard list.count == expected else {
                    throw .parentCount(list.count, layer: layer, block: block, expected: expected)
                }
                if let index = list.firstIndex(where: { Int($0) >= neuronCount }) {
                    throw .parentOutOfRange(
                        Int(list[index]), layer: layer, block: block,
                        neuron: index / Self.parentCount, neuronCount: neuronCount)
                }
            }
        }
        self.layout = layout
        self.parents = parents
    }

    /// The parents of the block's neurons: neuron `n`'s at 2n (the stronger) and 2n + 1; empty in
    /// layer 0.
    package func parents(layer: Int, block: Int) -> [UInt16] { parents[layer][block] }

    /// Memory of the table.
    package var byteCount: Int {
        parents.joined().reduce(0) { $0 + $1.count * MemoryLayout<UInt16>.size }
    }
}
