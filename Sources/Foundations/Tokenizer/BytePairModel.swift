/// Byte-level BPE: words start as single bytes, and the vocabulary's merges join them in the
/// order in which training found them. Source: GPT-2; Sennrich et al. 2016, arXiv:1508.07909.
struct BytePairModel: Sendable, MergeRule {
    private let wordRule: WordRule
    /// Token of each byte, or -1, [256]. A byte that never occurred in training may have none; it
    /// is then left out of the text, which is also what the libraries do that trained the model.
    private let byteTokens: [Int32]
    private let pairs: PairTable

    init(_ tables: TokenizerTables, _ vocabulary: Vocabulary) throws(TokenizerError) {
        guard let wordRule = WordRule(preTokenizer: tables.preTokenizer) else {
            throw .unsupportedPreTokenizer(tables.preTokenizer)
        }
        self.wordRule = wordRule
        byteTokens = (UInt8.min...UInt8.max).map { byte in
            vocabulary.texts.find([byte], 0..<1).map(Int32.init) ?? -1
        }
        var pairs = PairTable(capacity: tables.merges.count)
        var reader = MergeReader(vocabulary)
        for (index, merge) in tables.merges.enumerated() {
            let (left, right, result) = try reader.read(merge, index: index)
            guard pairs.insert(left, right, Merge(priority: UInt32(index), id: result)) else {
                throw .duplicateMerge(index: index, text: String(decoding: merge, as: UTF8.self))
            }
        }
        self.pairs = pairs
    }

    func merge(of left: Symbol, with right: Symbol, in text: [UInt8]) -> Merge {
        pairs.find(left.id, right.id)
    }

    /// Appends the tokens of one stretch of text.
    ///
    /// - Parameter range: bytes of `text`, whole scalars in valid UTF-8.
    func encode(
        _ text: [UInt8], _ range: Range<Int>, vocabulary: Vocabulary,
        workspace: inout EncodingWorkspace, to tokens: inout [Int32]
    ) {
        workspace.scanned.scan(text, range)
        var words = WordScanner(text, scanned: workspace.scanned, rule: wordRule)
        while let word = words.next() {
            if wordRule.prefersWholeWords, let id = vocabulary.texts.find(text, word) {
                tokens.append(Int32(id))
                continue
            }
            workspace.merging.symbols.removeAll(keepingCapacity: true)
            for index in word {
                let id = byteTokens[Int(text[index])]
                guard id >= 0 else { continue }
                workspace.merging.symbols.append(
                    Symbol(start: Int32(index), byteCount: 1, id: id))
            }
            workspace.merging.mergeAll(by: self, in: text)
            for symbol in workspace.merging.symbols { tokens.append(symbol.id) }
        }
    }
}

/// Resolves the texts of merges to token ids.
private struct MergeReader {
    private let vocabulary: Vocabulary
    private var buffer: [UInt8] = []

    init(_ vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    mutating func read(
        _ merge: [UInt8], index: Int
    ) throws(TokenizerError) -> (left: Int32, right: Int32, result: Int32) {
        let space = UInt8(ascii: " ")
        guard let middle = merge.firstIndex(of: space), middle > 0, middle + 1 < merge.count,
            merge.lastIndex(of: space) == middle
        else {
            throw .malformedMerge(index: index, text: String(decoding: merge, as: UTF8.self))
        }
        let left = merge[..<middle]
        let right = merge[(middle + 1)...]
        buffer.removeAll(keepingCapacity: true)
        if ByteAlphabet.append(bytesOf: left, to: &buffer) {
            let leftCount = buffer.count
            if ByteAlphabet.append(bytesOf: right, to: &buffer),
                let leftID = vocabulary.texts.find(buffer, 0..<leftCount),
                let rightID = vocabulary.texts.find(buffer, leftCount..<buffer.count),
                let result = vocabulary.texts.find(buffer, 0..<buffer.count)
            {
                return (Int32(leftID), Int32(rightID), Int32(result))
            }
        }
        return (
            try find(Array(left), merge, index), try find(Array(right), merge, index),
            try find(Array(left + right), merge, index)
        )
    }

    /// The slow way, which also finds user-defined tokens: they are not in the index.
    private func find(
        _ text: [UInt8], _ merge: [UInt8], _ index: Int
    ) throws(TokenizerError) -> Int32 {
        if let special = vocabulary.specialIDs[text] {
            guard !vocabulary.kinds[Int(special)].isControl else {
                throw .mergeIntoControlToken(
                    index: index, text: String(decoding: merge, as: UTF8.self))
            }
            return special
        }
        var bytes: [UInt8] = []
        guard ByteAlphabet.append(bytesOf: text, to: &bytes),
            let id = vocabulary.texts.find(bytes, 0..<bytes.count)
        else {
            throw .mergeOutsideVocabulary(
                index: index, text: String(decoding: merge, as: UTF8.self))
        }
        return Int32(id)
    }
}

/// Merges by the two tokens that they join: open addressing, at most half full.
struct PairTable: Sendable {
    private struct Slot {
        var left: Int32 = -1
        var right: Int32 = -1
        var merge = Merge.none
    }

    private var slots: [Slot]

    init(capacity: Int) {
        var slotCount = 16
        while slotCount < 2 * capacity { slotCount *= 2 }
        slots = .init(repeating: Slot(), count: slotCount)
    }

    /// - Returns: `false` when the pair is there already; then it stays as it was.
    mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) -> Bool {
        var index = firstSlot(left, right)
        while slots[index].left >= 0 {
            if slots[index].left == left, slots[index].right == right { return false }
            index = (index + 1) & (slots.count - 1)
        }
        slots[index] = Slot(left: left, right: right, merge: merge)
        return true
    }

    /// `Merge.none` when the two tokens stay apart.
    func find(_ left: Int32, _ right: Int32) -> Merge {
        var index = firstSlot(left, right)
        while slots[index].left >= 0 {
            if slots[index].left == left, slots[index].right == right { return slots[index].merge }
            index = (index + 1) & (slots.count - 1)
        }
        return .none
    }

    private func firstSlot(_ left: Int32, _ right: Int32) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let mixed = (key ^ key >> 29) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 24) & (slots.count - 1)
    }
}
