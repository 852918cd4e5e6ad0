import NeuronShards
import Testing

/// Where units' shares are added.
@Suite struct PartialSumTests {
    /// The bytes of some numbers behind `offset` others.
    private func message(_ numbers: [Float], isWide: Bool, offset: Int) -> [UInt8] {
        let bytes = numbers.flatMap { number in
            let bits = isWide ? Double(number).bitPattern : UInt64(number.bitPattern)
            return (0..<(isWide ? 8 : 4)).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
        }
        return [UInt8](repeating: 0xFF, count: offset) + bytes
    }

    @Test(arguments: [false, true])
    func `Shares from messages are added element by element`(isWide: Bool) {
        var sum = PartialSum(count: 4, isWide: isWide)
        #expect(sum.rounded == [0, 0, 0, 0])
        #expect(PartialSum.elementByteCount(isWide: isWide) == (isWide ? 8 : 4))
        for (share, offset) in [([1, 2.5, -3], 0), ([0.5, 0.5, 0.5], 7)] as [([Float], Int)] {
            let bytes = message(share, isWide: isWide, offset: offset)
            unsafe sum.add(3, of: bytes.span.bytes, at: offset)
        }
        #expect(sum.rounded == [1.5, 3, -2.5, 0])
        sum.clear(2)
        #expect(sum.rounded == [0, 0, -2.5, 0])
        var two: [Float] = [9, 9]
        sum.round(into: &two)
        #expect(two == [0, 0])
    }

    /// Added to 1 one after the other, these shares are lost in float and kept in double.
    @Test func `A wide sum is rounded once, at the end`() {
        for isWide in [false, true] {
            var sum = PartialSum(count: 1, isWide: isWide)
            for share: Float in [1] + Array(repeating: 0x1p-25, count: 8) {
                let bytes = message([share], isWide: isWide, offset: 0)
                unsafe sum.add(1, of: bytes.span.bytes, at: 0)
            }
            #expect(sum.rounded == [isWide ? 1 + 0x1p-22 : 1])
        }
    }

    @Test func `A share longer than the sum or the message traps`() async {
        await #expect(processExitsWith: .failure) {
            var sum = PartialSum(count: 1, isWide: false)
            unsafe sum.add(2, of: [UInt8](repeating: 0, count: 8).span.bytes, at: 0)
        }
        await #expect(processExitsWith: .failure) {
            var sum = PartialSum(count: 2, isWide: true)
            unsafe sum.add(2, of: [UInt8](repeating: 0, count: 16).span.bytes, at: 1)
        }
    }
}
