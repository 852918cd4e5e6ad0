import ModelCatalogue

extension [ShapeBlock] {
    /// Weights of neurons in the GPU's memory when a run begins, [layers]: of hot ones, and in the
    /// room that these leave, of others.
    func residentByteCounts(_ options: ShapeOptions) -> [Int] {
        var counts = (0..<options.model.layerCount).map { layer in
            reduce(0) { $0 + $1.hotByteCount(layer: layer) }
        }
        var room = Swift.max(0, options.neuronMemoryByteCount - counts.reduce(0, +))
        // Who lacks least first: what they do not need is for the others.
        let order = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
        for (rank, layer) in order.enumerated() {
            let missing = options.model.layerNeuronByteCount - counts[layer]
            let filled = Swift.min(missing, room / (order.count - rank))
            counts[layer] += filled
            room -= filled
        }
        return counts
    }
}
