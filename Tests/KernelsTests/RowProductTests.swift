import Kernels
import SeededRandom
import Testing
import WeightFormats

@Suite struct RowProductTests {
    @Test(arguments: WeightFormat.allCases)
    func `Vector and portable rows have equal bits`(format: WeightFormat) {
        for columns in columnCounts(format) {
            for hostile in [false, true] {
                let matrix = TestMatrix(
                    format, rows: 5, columns: columns, seed: 1, hostile: hostile)
                let x = testInput(columns, hostile: hostile)
                let portable = matrix.multiply(0..<5, by: x, path: .portable)
                let automatic = matrix.multiply(0..<5, by: x, path: .automatic)
                if let difference = firstDifference(portable, automatic) {
                    Issue.record("\(columns) columns, hostile \(hostile): \(difference)")
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, KernelPath.allCases)
    func `Rows agree with double precision`(format: WeightFormat, path: KernelPath) {
        if path == .vector && !KernelPath.vectorIsAvailable { return }
        for columns in columnCounts(format) {
            let matrix = TestMatrix(format, rows: 3, columns: columns, seed: 2)
            let x = testInput(columns, hostile: false)
            let y = matrix.multiply(0..<3, by: x, path: path)
            for row in 0..<3 {
                let (sum, magnitude) = matrix.product(row: row, by: x)
                // Blocks of 32, then columns / 32 of them or running sums: about 40 roundings.
                let bound = magnitude * Double(columns / 32 + 16) * 0x1p-24
                if !(abs(Double(y[row]) - sum) <= bound) {
                    Issue.record("\(columns) columns, row \(row): \(y[row]), not \(sum)")
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, KernelPath.allCases)
    func `A range, a choice and threads give the rows of the whole`(
        format: WeightFormat, path: KernelPath
    ) {
        if path == .vector && !KernelPath.vectorIsAvailable { return }
        let matrix = TestMatrix(format, rows: 37, columns: 64, seed: 3)
        let x = testInput(64, hostile: false)
        let whole = matrix.multiply(0..<37, by: x, path: path)
        #expect(matrix.multiply(5..<17, by: x, path: path) == Array(whole[5..<17]))
        #expect(matrix.multiply(5..<5, by: x, path: path) == [])
        #expect(matrix.multiply(36..<37, by: x, path: path) == [whole[36]])
        for threadCount in [2, 3, 8, 100] {
            #expect(matrix.multiply(0..<37, by: x, threads: threadCount, path: path) == whole)
        }
        for selected in [[], [36], [0, 1, 2], [3, 30, 7, 7]] as [[UInt32]] {
            for threadCount in [1, 2] {
                var y = [Float](repeating: .nan, count: selected.count)
                var output = y.mutableSpan
                multiplySelectedRows(
                    weights: unsafe matrix.bytes.span.bytes, format: format, columnCount: 64,
                    selected: selected.span, by: x.span, into: &output,
                    threadCount: threadCount, path: path)
                #expect(y == selected.map { whole[Int($0)] })
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `Vector and portable batches have equal bits`(format: WeightFormat) {
        for columns in columnCounts(format) + [512 + 64] {
            for (rows, tokens) in [(1, 1), (8, 2), (15, 7), (17, 6), (33, 3)] {
                for hostile in [false, true] {
                    let matrix = TestMatrix(
                        format, rows: rows, columns: columns, seed: 4, hostile: hostile)
                    let X = testInput(tokens * columns, hostile: hostile)
                    let portable = matrix.multiplyBatch(tokens, by: X, path: .portable)
                    let automatic = matrix.multiplyBatch(tokens, by: X, path: .automatic)
                    if let difference = firstDifference(portable, automatic) {
                        Issue.record("\(rows) x \(columns), \(tokens) tokens: \(difference)")
                    }
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `A batch agrees with single rows, whatever its size and threads`(format: WeightFormat) {
        let matrix = TestMatrix(format, rows: 50, columns: 320, seed: 5)
        let X = testInput(13 * 320, hostile: false)
        let whole = matrix.multiplyBatch(13, by: X)
        for token in 0..<13 {
            let x = Array(X[token * 320..<(token + 1) * 320])
            #expect(matrix.multiplyBatch(1, by: x) == Array(whole[token * 50..<(token + 1) * 50]))
            let single = matrix.multiply(0..<50, by: x)
            for row in 0..<50 {
                let (_, magnitude) = matrix.product(row: row, by: x)
                let bound = Float(magnitude) * 300 * 0x1p-24
                if !(abs(single[row] - whole[token * 50 + row]) <= bound) {
                    Issue.record("token \(token), row \(row)")
                }
            }
        }
        for path in [KernelPath.automatic, .portable] {
            for threadCount in [2, 3, 64] {
                #expect(
                    matrix.multiplyBatch(13, by: X, threads: threadCount, path: path) == whole)
            }
        }
        #expect(matrix.multiplyBatch(0, by: []) == [])
    }

    @Test func `Rows beyond the matrix trap`() async {
        await #expect(processExitsWith: .failure) {
            let matrix = TestMatrix(.q4_1, rows: 2, columns: 32, seed: 6)
            _ = matrix.multiply(0..<3, by: [Float](repeating: 1, count: 32))
        }
        await #expect(processExitsWith: .failure) {
            var y: [Float] = [0]
            var output = y.mutableSpan
            multiplySelectedRows(
                weights: unsafe TestMatrix(.f16, rows: 2, columns: 4, seed: 6).bytes.span.bytes,
                format: .f16, columnCount: 4, selected: ([2] as [UInt32]).span,
                by: ([1, 1, 1, 1] as [Float]).span, into: &output)
        }
    }

    @Test func `Columns that fill no block trap`() async {
        await #expect(processExitsWith: .failure) {
            let matrix = TestMatrix(.q8_0, rows: 1, columns: 32, seed: 7)
            var y: [Float] = [0]
            var output = y.mutableSpan
            multiplyRows(
                weights: unsafe matrix.bytes.span.bytes, format: .q8_0, columnCount: 31,
                rows: 0..<1,
                by: ([Float](repeating: 1, count: 31)).span, into: &output)
        }
    }
}

/// Random activations; hostile ones range over many magnitudes, subnormals included.
func testInput(_ count: Int, hostile: Bool, seed: UInt64 = 99) -> [Float] {
    var random = SplitMix64(seed: seed)
    var values = random.floats(count, in: -2...2)
    if hostile {
        for index in values.indices {
            values[index] *= Float(
                sign: .plus, exponent: Int.random(in: -130...20, using: &random),
                significand: 1)
        }
    }
    return values
}

extension TestMatrix {
    func multiply(
        _ rows: Range<Int>, by x: [Float], threads threadCount: Int = 1,
        path: KernelPath = .automatic
    ) -> [Float] {
        var y = [Float](repeating: .nan, count: rows.count)
        var output = y.mutableSpan
        multiplyRows(
            weights: unsafe bytes.span.bytes, format: format, columnCount: columnCount, rows: rows,
            by: x.span, into: &output, threadCount: threadCount, path: path)
        return y
    }

    func multiplyBatch(
        _ tokenCount: Int, by X: [Float], threads threadCount: Int = 1,
        path: KernelPath = .automatic
    ) -> [Float] {
        var Y = [Float](repeating: .nan, count: tokenCount * rowCount)
        var output = Y.mutableSpan
        multiplyRowsBatch(
            weights: unsafe bytes.span.bytes, format: format, columnCount: columnCount,
            rowCount: rowCount, tokenCount: tokenCount, by: X.span, into: &output,
            threadCount: threadCount, path: path)
        return Y
    }
}
