import Glibc
import Kernels
import Testing

@Suite struct AttentionTests {
    @Test func `Vector and portable attention have equal bits and agree with double precision`() {
        let shapes = [
            (1, 1, 1), (1, 64, 1), (3, 64, 5), (3, 64, 200), (2, 40, 65), (5, 33, 64), (8, 128, 70),
        ]
        for (heads, headSize, positions) in shapes {
            let queries = testInput(heads * headSize, hostile: false)
            let keys = testInput(positions * headSize, hostile: false, seed: 5)
            let values = testInput(positions * headSize, hostile: false, seed: 6)
            let scale = 1 / Float(headSize).squareRoot()
            let portable = attention(queries, headSize, keys, values, scale, .portable)
            let automatic = attention(queries, headSize, keys, values, scale, .automatic)
            if let difference = firstDifference(portable, automatic) {
                Issue.record("\(heads) heads of \(headSize), \(positions): \(difference)")
            }
            for head in 0..<heads {
                let powers = (0..<positions).map { position in
                    exp(
                        Double(scale)
                            * (0..<headSize).reduce(0.0) {
                                $0 + Double(queries[head * headSize + $1])
                                    * Double(keys[position * headSize + $1])
                            })
                }
                let total = powers.reduce(0, +)
                for column in 0..<headSize {
                    let exact = (0..<positions).reduce(0.0) {
                        $0 + powers[$1] / total * Double(values[$1 * headSize + column])
                    }
                    let found = Double(automatic[head * headSize + column])
                    if !(abs(found - exact) <= 2e-5) {
                        Issue.record("head \(head), column \(column): \(found), not \(exact)")
                    }
                }
            }
        }
    }

    @Test func `A group of heads has the bits of its heads alone`() {
        let queries = testInput(4 * 64, hostile: false)
        let keys = testInput(77 * 64, hostile: false, seed: 5)
        let values = testInput(77 * 64, hostile: false, seed: 6)
        let group = attention(queries, 64, keys, values, 0.125, .automatic)
        for head in 0..<4 {
            let part = head * 64..<(head + 1) * 64
            let alone = attention(Array(queries[part]), 64, keys, values, 0.125, .automatic)
            #expect(alone == Array(group[part]))
        }
    }

    /// Pair 1 of 4 dimensions at base 100 turns by p / 10 radians.
    @Test(arguments: RotaryPairing.allCases, [KernelPath.automatic, .portable])
    func `Pairs turn by position times frequency; the rest of the head stays`(
        pairing: RotaryPairing, path: KernelPath
    ) {
        let table = RotaryTable(dimensionCount: 4, base: 100, positionCount: 8)
        var x: [Float] = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]  // two heads of 5
        var span = x.mutableSpan
        table.rotate(&span, headSize: 5, position: 7, pairing: pairing, path: path)
        let pairs = pairing == .interleaved ? [(0, 1), (2, 3)] : [(0, 2), (1, 3)]
        for head in [0, 5] {
            for (pair, (first, second)) in pairs.enumerated() {
                let angle = pair == 0 ? 7 : 0.7
                let (a, b) = (Double(first + 1), Double(second + 1))
                #expect(abs(Double(x[head + first]) - (a * cos(angle) - b * sin(angle))) < 1e-6)
                #expect(abs(Double(x[head + second]) - (a * sin(angle) + b * cos(angle))) < 1e-6)
            }
            #expect(x[head + 4] == 5)
        }
    }

    @Test(arguments: RotaryPairing.allCases)
    func `Vector and portable rotation have equal bits`(pairing: RotaryPairing) {
        for dimensionCount in [2, 6, 16, 64, 80] {
            let table = RotaryTable(
                dimensionCount: dimensionCount, base: 1e5, positionCount: 50, scale: 0.25,
                factors: (0..<dimensionCount / 2).map { Float($0 + 1) })
            let input = testInput(3 * 80, hostile: false)
            let results = [KernelPath.automatic, .portable].map { path in
                var x = input
                var span = x.mutableSpan
                table.rotate(&span, headSize: 80, position: 49, pairing: pairing, path: path)
                return x
            }
            #expect(firstDifference(results[0], results[1]) == nil)
        }
    }

    /// Position 8 at scale 1/4 with factor 2 is position 1 without either.
    @Test func `Scale and factors multiply and divide the angle`() {
        let plain = RotaryTable(dimensionCount: 2, base: 10, positionCount: 9)
        let scaled = RotaryTable(
            dimensionCount: 2, base: 10, positionCount: 9, scale: 0.25, factors: [2])
        var a: [Float] = [1, 2]
        var b = a
        var aSpan = a.mutableSpan
        plain.rotate(&aSpan, headSize: 2, position: 1, pairing: .interleaved)
        var bSpan = b.mutableSpan
        scaled.rotate(&bSpan, headSize: 2, position: 8, pairing: .interleaved)
        #expect(a == b)
    }

    @Test func `A position beyond the table traps`() async {
        await #expect(processExitsWith: .failure) {
            let table = RotaryTable(dimensionCount: 2, base: 10, positionCount: 3)
            var x: [Float] = [1, 2]
            var span = x.mutableSpan
            table.rotate(&span, headSize: 2, position: 3, pairing: .halves)
        }
    }

    private func attention(
        _ queries: [Float], _ headSize: Int, _ keys: [Float], _ values: [Float], _ scale: Float,
        _ path: KernelPath
    ) -> [Float] {
        var context = [Float](repeating: .nan, count: queries.count)
        var scores = [Float](
            repeating: .nan, count: queries.count / headSize * (keys.count / headSize))
        var output = context.mutableSpan
        var scratch = scores.mutableSpan
        attend(
            queries: queries.span, headSize: headSize, keys: keys.span, values: values.span,
            scale: scale, scores: &scratch, into: &output, path: path)
        return context
    }
}
