import SeededRandom

/// Where each word of 64 columns lies among a layer's neurons: shuffled anew for every layer, and
/// rotated, so that neither hot neurons nor parents have the same index in every layer.
///
/// Whole words move, so that 64 neurons are handled at once. A last, partial word stays in place.
struct WordOrder: Sendable {
    let wordCount: Int
    /// The place of each word of columns, [layers, words].
    private let positions: [UInt32]
    /// The word of columns at each place, [layers, words].
    private let columnWords: [UInt32]
    /// By how many bits the word at each place is rotated to the left, [layers, words].
    private let rotations: [UInt8]

    init(layerCount: Int, neuronCount: Int, using random: inout SplitMix64) {
        wordCount = (neuronCount + 63) / 64
        let fullCount = neuronCount / 64
        var positions: [UInt32] = []
        var columnWords: [UInt32] = []
        var rotations: [UInt8] = []
        for _ in 0..<layerCount {
            var columns = (0..<UInt32(wordCount)).map { $0 }
            shuffle(&columns, first: fullCount, using: &random)
            var places = [UInt32](repeating: 0, count: wordCount)
            for (place, column) in columns.enumerated() { places[Int(column)] = UInt32(place) }
            columnWords += columns
            positions += places
            for place in 0..<wordCount {
                rotations.append(
                    place < fullCount ? UInt8(drawIndex(below: 64, using: &random)) : 0)
            }
        }
        self.positions = positions
        self.columnWords = columnWords
        self.rotations = rotations
    }

    /// Place and rotation of a word of columns.
    func place(ofWord word: Int, layer: Int) -> (position: Int, rotation: UInt64) {
        let position = Int(positions[layer * wordCount + word])
        return (position, UInt64(rotations[layer * wordCount + position]))
    }

    func neuron(ofColumn column: Int, layer: Int) -> Int {
        let (position, rotation) = place(ofWord: column / 64, layer: layer)
        return 64 * position + (column + Int(rotation)) % 64
    }

    func column(ofNeuron neuron: Int, layer: Int) -> Int {
        let index = layer * wordCount + neuron / 64
        return 64 * Int(columnWords[index]) + (neuron + 64 - Int(rotations[index])) % 64
    }
}

/// `word` with every bit moved to the left by `count`, below 64, and round the end.
func rotatedLeft(_ word: UInt64, by count: UInt64) -> UInt64 {
    word &<< count | word &>> (64 &- count)
}
