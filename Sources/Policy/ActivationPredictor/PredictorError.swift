/// Why constants or a correlation table from outside cannot be used.
package enum PredictorError: Error, Equatable, CustomStringConvertible {
    case constantOutOfRange(name: String, value: Int, allowed: ClosedRange<Int>)
    /// A correlation table that lists parents for another number of layers.
    case layerCount(Int, expected: Int)
    case blockCount(Int, layer: Int, expected: Int)
    /// Layer 0 has no layer below; every other neuron has two parents.
    case parentCount(Int, layer: Int, block: Int, expected: Int)
    case parentOutOfRange(Int, layer: Int, block: Int, neuron: Int, neuronCount: Int)

    package var description: String {
        switch self {
        case .constantOutOfRange(let name, let value, let allowed):
            "predictor constant \(name) is \(value); allowed: "
                + "\(allowed.lowerBound) to \(allowed.upperBound)"
        case .layerCount(let count, let expected):
            "correlation table has \(count) layers, the model \(expected)"
        case .blockCount(let count, let layer, let expected):
            "correlation table, layer \(layer): \(count) blocks, the model has \(expected)"
        case .parentCount(let count, let layer, let block, let expected):
            "correlation table, layer \(layer), block \(block): \(count) parents, not \(expected)"
        case .parentOutOfRange(let parent, let layer, let block, let neuron, let count):
            "correlation table, layer \(layer), block \(block), neuron \(neuron): parent "
                + "\(parent) is not below \(count)"
        }
    }
}
