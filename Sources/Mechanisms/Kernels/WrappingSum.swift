/// Sum of all words modulo 2⁶⁴: arithmetic as light as can be, so that memory decides its time.
///
/// - Complexity: reads each word once, eight at a time.
package func wrappingSum(_ words: Span<UInt64>) -> UInt64 {
    var lanes = InlineArray<8, UInt64>(repeating: 0)
    let whole = words.count / 8 * 8
    var index = 0
    while index < whole {
        for lane in 0..<8 { lanes[lane] &+= words[index + lane] }
        index += 8
    }
    var total: UInt64 = 0
    for lane in 0..<8 { total &+= lanes[lane] }
    for rest in whole..<words.count { total &+= words[rest] }
    return total
}
