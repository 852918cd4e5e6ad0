/// How many neurons there are where: the same blocks, each of one size, in every layer.
///
/// A block is a kind of sparse operator with neurons of its own: MLP alone, or QKV and MLP. Every
/// list here that is indexed by both is [layers][blocks].
package struct NeuronLayout: Equatable, Sendable {
    package let layerCount: Int
    /// Neurons of one layer, [blocks].
    package let neuronCounts: [Int]

    package init(layerCount: Int, neuronCounts: [Int]) {
        precondition(layerCount >= 0)
        precondition(neuronCounts.allSatisfy { $0 >= 0 })
        self.layerCount = layerCount
        self.neuronCounts = neuronCounts
    }

    package var blockCount: Int { neuronCounts.count }

    /// Neurons of all layers and blocks.
    package var neuronCount: Int { layerCount * neuronCounts.reduce(0, +) }

    /// One value per layer and block, [layers][blocks].
    package func map<Value>(_ value: (_ layer: Int, _ block: Int) -> Value) -> [[Value]] {
        (0..<layerCount).map { layer in (0..<blockCount).map { value(layer, $0) } }
    }
}
