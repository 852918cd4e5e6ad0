import SeededRandom

/// Random blocks whose banks follow each other in exactly the proportions of chance.
///
/// How long neighbouring blocks take depends mostly on the banks where they begin: from full
/// overlap in another bank group to a closed row in the same bank. In a plain random sample the
/// counts of such sequences scatter, and with them the efficiency: by 0.8 % over 10⁵ accesses to
/// 4 KB blocks. Here every sequence of k banks occurs equally often over the whole sample, in
/// random order, with k as large as the sample allows; the block within its bank is random. That
/// leaves a scatter of 0.5 % at most, next to nothing from 4 KB on, and does not move the mean.
struct BlockOrder {
    private let blockCount: Int
    private let blockLineCount: Int
    private let decoder: AddressDecoder
    private var generator: SplitMix64
    /// Banks in which blocks begin; a circuit over them, read again from its start at its end.
    private let circuit: [Int]
    private var position = 0

    /// - Parameters:
    ///   - blockCount: blocks to choose from, at least one.
    ///   - sampleCount: blocks that will be asked for, roughly.
    init(
        blockCount: Int, blockLineCount: Int, bankCount: Int, decoder: AddressDecoder,
        sampleCount: Int, seed: UInt64
    ) {
        precondition(blockCount > 0)
        precondition(blockLineCount > 0)
        self.blockCount = blockCount
        self.blockLineCount = blockLineCount
        self.decoder = decoder
        var generator = SplitMix64(seed: seed)
        // Blocks that fill several rows may begin in some of the banks only. Those are equally
        // likely, hence 64 draws a bank miss one with a probability of e⁻⁶⁴.
        var isFirst = Array(repeating: false, count: bankCount)
        for _ in 0..<64 * bankCount {
            let line = generator.uniform(below: blockCount) * blockLineCount
            isFirst[decoder.location(ofLine: line).bank] = true
        }
        let banks = isFirst.indices.filter { isFirst[$0] }
        circuit = Self.circuit(through: banks, sampleCount: sampleCount, &generator)
        self.generator = generator
    }

    /// The first line of the next block.
    mutating func next() -> Int {
        let bank = circuit[position]
        position = position + 1 == circuit.count ? 0 : position + 1
        while true {
            let line = generator.uniform(below: blockCount) * blockLineCount
            if decoder.location(ofLine: line).bank == bank { return line }
        }
    }

    /// A cyclic order of banks in which all sequences of k banks occur equally often.
    ///
    /// A random Eulerian circuit (Hierholzer's algorithm) through the graph whose nodes are the
    /// sequences of k - 1 banks and whose edges are those of k: as in a de Bruijn sequence, but
    /// with each edge as often as it takes to fill the sample.
    private static func circuit(
        through banks: [Int], sampleCount: Int, _ generator: inout SplitMix64
    ) -> [Int] {
        var nodeCount = banks.count
        if banks.count > 1 {
            while nodeCount * banks.count * banks.count <= sampleCount { nodeCount *= banks.count }
        }
        let edgeCount = nodeCount * banks.count
        let passes = max(1, (sampleCount + edgeCount - 1) / edgeCount)
        let all = banks.indices.flatMap { Array(repeating: $0, count: passes) }
        var unused = Array(repeating: all, count: nodeCount)
        for node in unused.indices { unused[node].shuffle(using: &generator) }
        var circuit: [Int] = []
        circuit.reserveCapacity(edgeCount * passes + 1)
        var walk = [0]
        while let node = walk.last {
            if let next = unused[node].popLast() {
                // The last k - 1 banks, the youngest in the last digit.
                walk.append((node * banks.count + next) % nodeCount)
            } else {
                circuit.append(banks[node % banks.count])
                walk.removeLast()
            }
        }
        // The end is the start again.
        circuit.removeLast()
        return circuit
    }
}

extension SplitMix64 {
    /// Lemire's multiplication without rejection: the bias is below `bound` / 2⁶⁴.
    mutating func uniform(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
