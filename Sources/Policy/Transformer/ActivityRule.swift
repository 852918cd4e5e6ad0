import Kernels
package import SparsityCalibration
import WeightFormats

/// `wshift`: which SwiGLU neurons count as active, and what the inactive ones still contribute.
///
/// With C = calibrated mean of silu(gate) and W = ‖down‖ · rms(up), scaled to mean 1 in a layer,
/// neuron j is active iff W_j · |silu(g_j) − C_j| > threshold. Every neuron contributes
/// C_j u_j down_j, which for all j is one hidden × hidden matrix per layer; an active one adds
/// (silu(g_j) − C_j) u_j down_j.
package struct ActivityRule: Sendable {
    package let means: [[Float]]  // C: [layers, feedForward]
    package let weights: [[Float]]  // W: [layers, feedForward]
    package let thresholds: [Float]  // [layers]
    private let calibration: CalibrationFile

    /// The rule that leaves a share `sparsity`, 0...1, of the calibration's gates inactive.
    package init(calibration: CalibrationFile, sparsity: Double) {
        means = calibration.means
        weights = calibration.weights
        thresholds = means.indices.map { calibration.threshold(layer: $0, sparsity: sparsity) }
        self.calibration = calibration
    }

    /// Output = Σ_j C_j u_j(input) down_j, by the layer's matrix: [hidden] to [hidden].
    package func applyShift(
        layer: Int, to input: Span<Float>, into output: inout MutableSpan<Float>
    ) {
        calibration.withShiftMatrix(layer: layer) { matrix in
            multiplyRows(
                weights: matrix, format: .f16, columnCount: input.count,
                rows: 0..<input.count, by: input, into: &output)
        }
    }
}
