import Kernels
import SeededRandom
import Testing
import WeightFormats

/// Rows times coefficients added to a vector, and ReLU's selection.
@Suite struct RowAccumulationTests {
    private static let rowCount = 40

    private func accumulate(
        _ matrix: TestMatrix, _ selected: [UInt32], _ coefficients: [Float], start: Float = 0,
        path: KernelPath = .automatic
    ) -> [Float] {
        var y = [Float](repeating: start, count: matrix.columnCount)
        var span = y.mutableSpan
        unsafe accumulateRows(
            weights: matrix.bytes.span.bytes, format: matrix.format,
            columnCount: matrix.columnCount, selected: selected.span,
            coefficients: coefficients.span, into: &span, path: path)
        return y
    }

    private func selections(seed: UInt64) -> [[UInt32]] {
        var random = SplitMix64(seed: seed)
        return [[], [0], [UInt32(Self.rowCount - 1)], Array(0..<UInt32(Self.rowCount))]
            + [3, 17].map { random.ascending($0, below: Self.rowCount) }
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Vector and portable path have equal bits`(format: WeightFormat, hostile: Bool) {
        for columnCount in columnCounts(format) + [64, 192, 320] {
            let matrix = TestMatrix(
                format, rows: Self.rowCount, columns: columnCount, seed: 30, hostile: hostile)
            for selected in selections(seed: 31) {
                var random = SplitMix64(seed: 32)
                let coefficients = random.floats(selected.count)
                let portable = accumulate(matrix, selected, coefficients, path: .portable)
                let automatic = accumulate(matrix, selected, coefficients)
                if let difference = firstDifference(portable, automatic) {
                    Issue.record("\(columnCount) columns: \(difference)")
                }
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, KernelPath.allCases)
    func `Sums agree with double precision and are added to y`(
        format: WeightFormat, path: KernelPath
    ) {
        if path == .vector && !KernelPath.vectorIsAvailable { return }
        for columnCount in [32, 64, 96, 576] {
            let matrix = TestMatrix(format, rows: Self.rowCount, columns: columnCount, seed: 33)
            for selected in selections(seed: 34) {
                var random = SplitMix64(seed: 35)
                let coefficients = random.floats(selected.count)
                let y = accumulate(matrix, selected, coefficients, start: 0.25, path: path)
                for column in 0..<columnCount {
                    var sum = 0.25
                    var magnitude = 0.25
                    for (row, coefficient) in zip(selected, coefficients) {
                        let weight = matrix.values[Int(row) * columnCount + column]
                        sum += Double(weight) * Double(coefficient)
                        magnitude += abs(Double(weight) * Double(coefficient))
                    }
                    let bound = magnitude * Double(selected.count + 1) * 0x1p-24
                    if !(abs(Double(y[column]) - sum) <= bound) {
                        Issue.record("column \(column): \(y[column]), not \(sum)")
                    }
                }
            }
        }
    }

    @Test func `Exactly the positive sums are active, in order, with their values`() {
        let smallest = Float.leastNonzeroMagnitude
        let ups: [Float] = [
            1, -1, 0.5, -0.5, 0, 2, .nan, .infinity, -.infinity, smallest, -0.0,
        ]
        let biases: [Float] = [0, 1.5, -0.5, 0.25, 0, -3, 1, 0, .infinity, 0, 0]
        var active = [UInt32](repeating: .max, count: ups.count)
        var activations = [Float](repeating: .nan, count: ups.count)
        var activeSpan = active.mutableSpan
        var activationSpan = activations.mutableSpan
        let count = findPositiveActivity(
            ups: ups.span, biases: biases.span, active: &activeSpan, activations: &activationSpan)
        #expect(active.prefix(count) == [0, 1, 7, 9])
        #expect(activations.prefix(count) == [1, 0.5, .infinity, smallest])
        #expect(active[count...].allSatisfy { $0 == .max })
    }

    @Test func `No candidate gives no active neuron`() {
        var active: [UInt32] = []
        var activations: [Float] = []
        var activeSpan = active.mutableSpan
        var activationSpan = activations.mutableSpan
        let nothing: [Float] = []
        let count = findPositiveActivity(
            ups: nothing.span, biases: nothing.span, active: &activeSpan,
            activations: &activationSpan)
        #expect(count == 0)
    }

    @Test func `A row that the matrix lacks and vectors of another length trap`() async {
        await #expect(processExitsWith: .failure) { Self.call([2], [1], outputCount: 32) }
        await #expect(processExitsWith: .failure) { Self.call([0], [1, 2], outputCount: 32) }
        await #expect(processExitsWith: .failure) { Self.call([0], [1], outputCount: 31) }
        await #expect(processExitsWith: .success) { Self.call([0, 1], [1, 1], outputCount: 32) }
    }

    /// Two rows of 32 columns.
    private static func call(_ selected: [UInt32], _ coefficients: [Float], outputCount: Int) {
        let matrix = TestMatrix(.f32, rows: 2, columns: 32, seed: 36)
        var y = [Float](repeating: 0, count: outputCount)
        var span = y.mutableSpan
        unsafe accumulateRows(
            weights: matrix.bytes.span.bytes, format: .f32, columnCount: 32,
            selected: selected.span, coefficients: coefficients.span, into: &span)
    }
}
