package import ModelFile

/// Keys and values of every position so far, float32, one pair of matrices per layer and KV
/// head: [capacity, headSize], row = position.
package struct KeyValueCache: Sendable {
    package let capacity: Int
    package let headSize: Int
    private let headCount: Int
    package private(set) var keys: [[Float]]
    package private(set) var values: [[Float]]

    /// An empty cache for `capacity` positions.
    package init(shape: DecoderShape, capacity: Int) {
        precondition(capacity >= 1)
        self.capacity = capacity
        headSize = shape.headSize
        headCount = shape.keyValueHeadCount
        let zeros = [Float](repeating: 0, count: capacity * shape.headSize)
        keys = Array(repeating: zeros, count: shape.layerCount * shape.keyValueHeadCount)
        values = keys
    }

    /// Index of a head's matrices in ``keys`` and ``values``.
    package func index(layer: Int, head: Int) -> Int { layer * headCount + head }

    /// Writes one position's row of the given keys and values, [rows, KV heads, headSize];
    /// writing a position again replaces it.
    mutating func store(
        layer: Int, position: Int, row: Int, keys newKeys: [Float], values newValues: [Float]
    ) {
        precondition(position < capacity)
        for head in 0..<headCount {
            let matrix = index(layer: layer, head: head)
            let source = (row * headCount + head) * headSize
            for column in 0..<headSize {
                keys[matrix][position * headSize + column] = newKeys[source + column]
                values[matrix][position * headSize + column] = newValues[source + column]
            }
        }
    }
}
