import Kernels
import ModelFile
package import SparsityCalibration

/// Finds what the activity rule needs: two passes of a text through the dense model.
///
/// The first pass gives each neuron's mean of silu(gate) and mean square of up; the second the
/// distribution of W·|silu(gate) − C|, per layer. Windows of the text start with a fresh context.
package struct Calibrator {
    private let model: DecoderModel
    private let threadCount: Int

    /// - Precondition: the model is gated; another has nothing to calibrate.
    package init(model: DecoderModel, threadCount: Int) {
        precondition(model.shape.architecture.isGated)
        self.model = model
        self.threadCount = threadCount
    }

    /// - Parameters:
    ///   - windows: token sequences, each at most the model's context long.
    ///   - checkpoint: called every second or so; what it throws ends the work.
    package func calibrate<Stop: Error>(
        windows: [[Int32]], checkpoint: () throws(Stop) -> Void
    ) throws(Stop) -> CalibrationTables {
        let moments = GateMoments(shape: model.shape)
        try run(windows, observer: moments, checkpoint)
        let means = moments.means()
        let weights = neuronWeights(upMeanSquares: moments.upMeanSquares())
        let spread = DeviationHistogram(shape: model.shape, means: means, weights: weights)
        try run(windows, observer: spread, checkpoint)
        var shifts: [UInt16] = []
        for layer in 0..<model.shape.layerCount {
            try checkpoint()
            shifts += shiftMatrix(layer: layer, means: means)
        }
        return CalibrationTables(
            layout: layout, tokenCount: windows.reduce(0) { $0 + $1.count }, means: means,
            weights: weights, quantiles: spread.quantiles(), shifts: shifts)
    }

    package var layout: CalibrationLayout {
        CalibrationLayout(
            layerCount: model.shape.layerCount, hiddenSize: model.shape.hiddenSize,
            feedForwardSize: model.shape.feedForwardSize)
    }

    private func run<Stop: Error>(
        _ windows: [[Int32]], observer: any LayerObserver, _ checkpoint: () throws(Stop) -> Void
    ) throws(Stop) {
        let batch = ReferenceTransformer.batchTokenCount
        for window in windows where !window.isEmpty {
            var transformer = ReferenceTransformer(
                model: model, contextCapacity: window.count, rule: nil, threadCount: threadCount)
            for first in stride(from: 0, to: window.count, by: batch) {
                try checkpoint()
                let tokens = Array(window[first..<min(first + batch, window.count)])
                _ = transformer.forward(tokens, at: first, isDense: true, observer: observer)
            }
        }
    }

    /// ‖down_j‖ · rms(up_j), scaled to mean 1 in each layer: [layers, feedForward].
    private func neuronWeights(upMeanSquares: [Float]) -> [Float] {
        let width = model.shape.feedForwardSize
        var weights: [Float] = []
        for layer in 0..<model.shape.layerCount {
            let squares = columnSquares(model.weights.layers[layer].down)
            let raw = (0..<width).map {
                (squares[$0] * upMeanSquares[layer * width + $0]).squareRoot()
            }
            let mean = raw.reduce(0, +) / Float(width)
            weights += raw.map { mean > 0 ? $0 / mean : 1 }
        }
        return weights
    }

    private func columnSquares(_ tensor: Tensor) -> [Float] {
        var row = [Float](repeating: 0, count: tensor.columnCount)
        var squares = row
        for index in 0..<tensor.rowCount {
            var span = row.mutableSpan
            dequantiseRow(
                weights: model.file.bytes(of: tensor), format: tensor.format,
                columnCount: tensor.columnCount, row: index, into: &span)
            for column in row.indices { squares[column] += row[column] * row[column] }
        }
        return squares
    }

    /// Σ_j C_j down_j up_jᵀ, [hidden, hidden], half precision.
    private func shiftMatrix(layer: Int, means: [Float]) -> [UInt16] {
        let hidden = model.shape.hiddenSize
        let width = model.shape.feedForwardSize
        let weights = model.weights.layers[layer]
        // Row c holds C_j up_j[c] over j, so that down times it is column c of the result.
        var scaledUps = [Float](repeating: 0, count: hidden * width)
        var row = [Float](repeating: 0, count: hidden)
        for neuron in 0..<width {
            var span = row.mutableSpan
            dequantiseRow(
                weights: model.file.bytes(of: weights.up), format: weights.up.format,
                columnCount: hidden, row: neuron, into: &span)
            let mean = means[layer * width + neuron]
            for column in 0..<hidden { scaledUps[column * width + neuron] = mean * row[column] }
        }
        var columns = [Float](repeating: 0, count: hidden * hidden)
        var target = columns.mutableSpan
        model.multiply(
            weights.down, by: scaledUps.span, into: &target, tokenCount: hidden,
            threadCount: threadCount)
        var matrix = [UInt16](repeating: 0, count: hidden * hidden)
        for output in 0..<hidden {
            for input in 0..<hidden {
                matrix[output * hidden + input] =
                    Float16(columns[input * hidden + output]).bitPattern
            }
        }
        return matrix
    }
}

/// Sums of silu(gate) and of up² per neuron.
private final class GateMoments: LayerObserver {
    private let width: Int
    private var siluSums: [Double]
    private var upSquareSums: [Double]
    private var tokenCounts: [Int]

    init(shape: DecoderShape) {
        width = shape.feedForwardSize
        siluSums = Array(repeating: 0, count: shape.layerCount * width)
        upSquareSums = siluSums
        tokenCounts = Array(repeating: 0, count: shape.layerCount)
    }

    func observe(layer: Int, tokenCount: Int, gates: Span<Float>, ups: Span<Float>) {
        tokenCounts[layer] += tokenCount
        for index in gates.indices {
            let neuron = layer * width + index % width
            siluSums[neuron] += Double(silu(gates[index]))
            upSquareSums[neuron] += Double(ups[index]) * Double(ups[index])
        }
    }

    func means() -> [Float] { divided(siluSums) }

    func upMeanSquares() -> [Float] { divided(upSquareSums) }

    private func divided(_ sums: [Double]) -> [Float] {
        sums.indices.map { Float(sums[$0] / Double(max(1, tokenCounts[$0 / width]))) }
    }
}

/// How often W·|silu(gate) − C| takes which value, per layer.
///
/// A value's bin is the leading bits of its float pattern: sign, exponent and 8 bits of fraction,
/// so bins are 0.4 % wide at any magnitude and need no range known beforehand.
private final class DeviationHistogram: LayerObserver {
    private static let binShift: UInt32 = 15
    private static let binCount = 1 << 16
    private let width: Int
    private let means: [Float]
    private let weights: [Float]
    private var bins: [[UInt32]]

    init(shape: DecoderShape, means: [Float], weights: [Float]) {
        width = shape.feedForwardSize
        self.means = means
        self.weights = weights
        bins = Array(
            repeating: Array(repeating: 0, count: Self.binCount), count: shape.layerCount)
    }

    func observe(layer: Int, tokenCount: Int, gates: Span<Float>, ups: Span<Float>) {
        for index in gates.indices {
            let neuron = layer * width + index % width
            let value = weights[neuron] * abs(silu(gates[index]) - means[neuron])
            // A product of a broken model's weights may be a NaN with its sign set.
            bins[layer][Int(value.magnitude.bitPattern >> Self.binShift)] += 1
        }
    }

    /// [layers, steps + 1]; the last is above every value, so sparsity 1 leaves none active.
    func quantiles() -> [Float] {
        bins.flatMap { Self.quantiles(of: $0) }
    }

    private static func quantiles(of counts: [UInt32]) -> [Float] {
        let total = counts.reduce(0) { $0 + Int($1) }
        let steps = CalibrationLayout.quantileSteps
        var table: [Float] = []
        var bin = 0
        var below = 0
        for step in 0..<steps {
            let rank = total * step / steps
            while bin < binCount - 1, below + Int(counts[bin]) <= rank {
                below += Int(counts[bin])
                bin += 1
            }
            table.append(step == 0 ? 0 : Float(bitPattern: UInt32(bin) << binShift))
        }
        table.append(.greatestFiniteMagnitude)
        return table
    }
}
