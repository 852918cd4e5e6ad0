import Kernels
import SeededRandom
import Testing

@Suite struct WrappingSumTests {
    @Test func `Every word counts once, whatever their number`() {
        var random = SplitMix64(seed: 5)
        for count in [0, 1, 7, 8, 9, 31, 32, 33, 64, 127, 1000] {
            let words = (0..<count).map { _ in random.next() }
            #expect(wrappingSum(words.span) == words.reduce(0, &+))
        }
        #expect(wrappingSum([UInt64.max, 2].span) == 1)
    }
}
