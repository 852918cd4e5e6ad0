import ModelFile
import SeededRandom
import SparsityCalibration
import TemporaryFiles
import TestModels
import Testing
import Transformer

/// What the suites of this target share.

extension GGUFBuilder {
    func model() throws -> DecoderModel {
        try DecoderModel(ModelFile.parse(build(), name: "test"))
    }
}

func randomTokens(_ count: Int, seed: UInt64) -> [Int32] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Int32.random(in: 0..<256, using: &random) }
}

/// Largest difference, in units of the largest expected value.
func relativeError(_ found: [Float], _ expected: [Double]) -> Double {
    precondition(found.count == expected.count)
    let largest = expected.map(abs).max() ?? 0
    let difference = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
    // A NaN would compare as no difference.
    return found.allSatisfy(\.isFinite) ? difference / largest : .infinity
}

extension Calibrator {
    /// Calibrates without a reason to stop.
    func tables(windows: [[Int32]]) -> CalibrationTables {
        calibrate(windows: windows) {}
    }
}

extension CalibrationTables {
    /// The tables as a program opens them, behind a file that is already gone.
    func opened() throws -> CalibrationFile {
        let hash = [UInt8](repeating: 7, count: 32)
        return try withTemporaryFile(encoded(modelHash: hash)) { path in
            try CalibrationFile.open(path, modelHash: hash, expecting: layout)
        }
    }
}

extension NaiveLlama.Rule {
    init(_ rule: ActivityRule) {
        self.init(means: rule.means, weights: rule.weights, thresholds: rule.thresholds)
    }
}
