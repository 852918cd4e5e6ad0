import ModelFile
import SparsityCalibration
import TestModels
import Testing
import Transformer
import WeightFormats

/// Calibration against sums written down directly.
@Suite struct CalibratorTests {
    private static let windows = [
        randomTokens(200, seed: 41), randomTokens(1, seed: 42), [], randomTokens(130, seed: 43),
    ]
    private static let tokenCount = 331
    private let builder: GGUFBuilder
    private let model: DecoderModel
    private let tables: CalibrationTables
    /// A naive pass of each window from a fresh context.
    private let passes: [NaiveLlama]

    init() throws {
        builder = TinyLlama.builder(format: .q8_0, seed: 4)
        model = try builder.model()
        tables = Calibrator(model: model, threadCount: 2).tables(windows: Self.windows)
        let file = builder
        passes = Self.windows.map { window in
            var naive = NaiveLlama(file, .init())
            _ = naive.run(window)
            return naive
        }
    }

    /// Gates and ups of all tokens of a layer, [tokens][feedForward].
    private func projections(_ layer: Int) -> (gates: [[Double]], ups: [[Double]]) {
        (passes.flatMap { $0.gates[layer] }, passes.flatMap { $0.ups[layer] })
    }

    @Test func `The tables are of the model's size and count the text's tokens`() {
        #expect(
            tables.layout
                == CalibrationLayout(layerCount: 2, hiddenSize: 64, feedForwardSize: 96))
        #expect(Calibrator(model: model, threadCount: 1).layout == tables.layout)
        #expect(tables.tokenCount == Self.tokenCount)
    }

    @Test(arguments: 0..<2)
    func `Means are those of silu of the gate`(layer: Int) {
        let gates = projections(layer).gates
        #expect(gates.count == Self.tokenCount)
        let expected = (0..<96).map { neuron in
            gates.reduce(0) { $0 + silu($1[neuron]) } / Double(gates.count)
        }
        #expect(relativeError(Array(tables.means[96 * layer..<96 * layer + 96]), expected) < 1e-5)
    }

    @Test(arguments: 0..<2)
    func `Weights are norm(down) times rms(up), with mean 1`(layer: Int) {
        let ups = projections(layer).ups
        let down = passes[0].matrix("blk.\(layer).ffn_down")
        let raw = (0..<96).map { neuron in
            let norm = down.reduce(0) { $0 + $1[neuron] * $1[neuron] }
            let meanSquare = ups.reduce(0) { $0 + $1[neuron] * $1[neuron] } / Double(ups.count)
            return (norm * meanSquare).squareRoot()
        }
        let mean = raw.reduce(0, +) / 96
        let found = Array(tables.weights[96 * layer..<96 * layer + 96])
        #expect(relativeError(found, raw.map { $0 / mean }) < 1e-5)
    }

    @Test(arguments: 0..<2)
    func `The shift matrix is the sum over all neurons, rounded to half precision`(layer: Int) {
        let (up, down) = (
            passes[0].matrix("blk.\(layer).ffn_up"), passes[0].matrix("blk.\(layer).ffn_down")
        )
        let means = tables.means[96 * layer..<96 * layer + 96].map(Double.init)
        for output in 0..<64 {
            for input in 0..<64 {
                let expected = (0..<96).reduce(0) {
                    $0 + means[$1] * down[output][$1] * up[$1][input]
                }
                let bits = tables.shifts[(64 * layer + output) * 64 + input]
                let found = Double(Float16(bitPattern: bits))
                // Half a unit of the last of 11 bits, and the float sum before it.
                if abs(found - expected) > abs(expected) * 0x1.01p-11 + 1e-7 {
                    Issue.record("[\(output), \(input)]: \(found), not \(expected)")
                    return
                }
            }
        }
    }

    @Test(arguments: [0.05, 0.1, 0.25, 0.5, 0.7, 0.725, 0.9, 0.98, 0.999, 1])
    func `On its own text the rule leaves the share inactive that was asked for`(
        sparsity: Double
    ) throws {
        let rule = ActivityRule(calibration: try tables.opened(), sparsity: sparsity)
        for layer in 0..<2 {
            let spreads = passes.flatMap { $0.spreads(layer: layer, rule: .init(rule)).joined() }
            let inactive = spreads.count { $0 <= Double(rule.thresholds[layer]) }
            let share = Double(inactive) / Double(spreads.count)
            #expect(abs(share - sparsity) < 0.01, "layer \(layer)")
        }
    }

    @Test func `Thresholds grow with sparsity, from zero to beyond every value`() throws {
        let file = try tables.opened()
        let thresholds = (0...100).map { file.threshold(layer: 0, sparsity: Double($0) / 100) }
        #expect(thresholds[0] == 0)
        #expect(thresholds[100] == .greatestFiniteMagnitude)
        #expect(zip(thresholds, thresholds.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func `Equal text gives equal tables, on any number of threads`() {
        let again = Calibrator(model: model, threadCount: 1).tables(windows: Self.windows)
        let hash = [UInt8](repeating: 1, count: 32)
        #expect(again.encoded(modelHash: hash) == tables.encoded(modelHash: hash))
    }

    @Test func `What a checkpoint throws ends the work`() {
        struct Stop: Error {}
        var callCount = 0
        #expect(throws: Stop.self) {
            _ = try Calibrator(model: model, threadCount: 1).calibrate(windows: Self.windows) {
                callCount += 1
                if callCount == 3 { throw Stop() }
            }
        }
        #expect(callCount == 3)
    }

    @Test func `The rule's shift is the matrix times the input`() throws {
        let rule = ActivityRule(calibration: try tables.opened(), sparsity: 0.5)
        let input = (0..<64).map { Float($0 % 7) - 3 }
        var output = [Float](repeating: .nan, count: 70)
        rule.applyShift(layer: 1, to: input + [.nan], hidden: 64, into: &output)
        let expected = (0..<64).map { row in
            (0..<64).reduce(0.0) { sum, column in
                let bits = tables.shifts[(64 + row) * 64 + column]
                return sum + Double(Float16(bitPattern: bits)) * Double(input[column])
            }
        }
        #expect(relativeError(Array(output.prefix(64)), expected) < 1e-6)
        #expect(output.suffix(6).allSatisfy { $0.isNaN })
    }

    /// Such a model gives no sensible text, but it is input like any other.
    @Test(arguments: [Float.nan, -.nan, .infinity])
    func `A model with numbers that are none is calibrated without a trap`(value: Float) throws {
        for name in ["ffn_gate", "ffn_up", "ffn_down"] {
            var file = TinyLlama.builder(layers: 1)
            file.editTensor("blk.0.\(name).weight") { tensor in
                tensor.bytes.replaceSubrange(0..<4, with: WeightFormat.f32.encode([value]))
            }
            let calibrator = Calibrator(model: try file.model(), threadCount: 1)
            #expect(calibrator.tables(windows: [[1, 2, 3]]).tokenCount == 3)
        }
    }

    @Test func `A text of no tokens gives tables of nothing`() {
        let empty = Calibrator(model: model, threadCount: 1).tables(windows: [[]])
        #expect(empty.tokenCount == 0)
        #expect(empty.means.allSatisfy { $0 == 0 })
        #expect(empty.weights.allSatisfy { $0 == 1 })
        #expect(empty.shifts.allSatisfy { Float16(bitPattern: $0) == 0 })
    }
}
