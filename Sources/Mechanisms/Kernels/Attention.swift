/// Attention of one position: context = softmax(scale × q Kᵀ) V, for the query heads that share
/// one head of keys and values. Keys and values are read once for all of them; one query head
/// is the case without sharing.
///
/// - Parameters:
///   - queries: [heads, headSize], already rotated.
///   - headSize: positive.
///   - keys: [positions, headSize], positions ascending; those visible to the query, at least 1.
///   - values: [positions, headSize].
///   - scale: usually 1 / √headSize.
///   - scores: scratch, [heads, positions]; ends as the attention weights.
///   - context: [heads, headSize], overwritten.
/// - Source: Vaswani et al., "Attention Is All You Need", 2017, equation 1; Ainslie et al.,
///   "GQA", 2023, for the sharing.
package func attend(
    queries: Span<Float>, headSize: Int, keys: Span<Float>, values: Span<Float>, scale: Float,
    scores: inout MutableSpan<Float>, into context: inout MutableSpan<Float>,
    path: KernelPath = .automatic
) {
    precondition(headSize > 0)
    precondition(queries.count.isMultiple(of: headSize))
    precondition(keys.count.isMultiple(of: headSize))
    precondition(values.count == keys.count)
    precondition(context.count == queries.count)
    let headCount = queries.count / headSize
    let positionCount = keys.count / headSize
    precondition(positionCount > 0)
    precondition(scores.count == headCount * positionCount)
    if path.usesVectors {
        return vectorAttention(
            queries, headSize: headSize, keys: keys, values: values, scale: scale,
            scores: &scores, into: &context)
    }
    for head in 0..<headCount {
        let query = queries.extracting(head * headSize..<(head + 1) * headSize)
        let first = head * positionCount
        for position in 0..<positionCount {
            let key = keys.extracting(position * headSize..<(position + 1) * headSize)
            scores[first + position] = Lanes.dot(query, key) * scale
        }
        portableSoftmax(&scores, first..<first + positionCount)
        for column in 0..<headSize {
            var sum: Float = 0
            for position in 0..<positionCount {
                sum = sum.addingProduct(
                    scores[first + position], values[position * headSize + column])
            }
            context[head * headSize + column] = sum
        }
    }
}
