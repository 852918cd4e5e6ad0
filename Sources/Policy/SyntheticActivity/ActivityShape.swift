/// How many layers a model has and how many neurons each block of a layer has.
///
/// Blocks are numbered as elsewhere in placement: 0 is QKV (a neuron is an input row), 1 is MLP.
package struct ActivityShape: Equatable, Sendable {
    package let layerCount: Int
    /// Neurons of one layer, [blocks].
    package let neuronCounts: [Int]

    package init(layerCount: Int, neuronCounts: [Int]) {
        precondition(layerCount >= 1)
        precondition(neuronCounts.allSatisfy { $0 >= 0 })
        self.layerCount = layerCount
        self.neuronCounts = neuronCounts
    }

    package var blockCount: Int { neuronCounts.count }
}
