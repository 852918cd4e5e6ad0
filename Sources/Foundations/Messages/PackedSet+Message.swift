package import PackedSets

/// Sets of neuron slots as messages carry them: their words, little-endian.
extension PackedSet {
    /// Replaces the content by words that a peer sent.
    ///
    /// Throws ``LinkError/peerCorrupt(_:)`` when a bit past the last element is set; the set is
    /// empty then.
    package mutating func load(from message: RawSpan, at byteOffset: Int) throws(LinkError) {
        guard byteOffset >= 0, byteOffset <= message.byteCount - byteCount else {
            throw .peerCorrupt("a bit set of \(elementCount) elements does not fit its message")
        }
        for index in words.indices {
            let word = message.word64(at: byteOffset + 8 * index)
            guard isValid(word: word, at: index) else {
                removeAll()
                throw .peerCorrupt("a bit set names an element past \(elementCount - 1)")
            }
            setWord(word, at: index)
        }
    }
}
