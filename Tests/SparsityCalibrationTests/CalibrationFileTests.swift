import SeededRandom
import SparsityCalibration
import SystemPackage
import TemporaryFiles
import Testing

/// Calibration files: written, read back, and refused when anything is wrong with them.
@Suite struct CalibrationFileTests {
    private static let layout = CalibrationLayout(layerCount: 3, hiddenSize: 5, feedForwardSize: 7)
    private static let steps = CalibrationLayout.quantileSteps
    private static let modelHash = (0..<32).map { UInt8($0 * 7 + 1) }

    /// Tables of which no two values are alike.
    private static func tables(
        _ layout: CalibrationLayout = layout, tokenCount: Int = 4321
    ) -> CalibrationTables {
        let count = layout.layerCount * layout.feedForwardSize
        return CalibrationTables(
            layout: layout, tokenCount: tokenCount,
            means: (0..<count).map { Float($0) / 8 - 1 },
            weights: (0..<count).map { 100 + Float($0) },
            // Layer l's threshold at share k/steps is (l + 1) · (k/steps)².
            quantiles: (0..<layout.layerCount).flatMap { layer in
                (0...steps).map { step in
                    let share = Float(step) / Float(steps)
                    return Float(layer + 1) * share * share
                }
            },
            shifts: (0..<layout.layerCount * layout.hiddenSize * layout.hiddenSize).map {
                UInt16($0 * 9 + 3)
            })
    }

    private static let encoded = tables().encoded(modelHash: modelHash)

    private func open(
        _ bytes: [UInt8], modelHash: [UInt8] = modelHash, layout: CalibrationLayout = layout
    ) throws -> CalibrationFile {
        try withTemporaryFile(bytes) { path in
            try CalibrationFile.open(path, modelHash: modelHash, expecting: layout)
        }
    }

    /// The rule that a file breaks; an issue if it is accepted.
    private func refusal(
        of bytes: [UInt8], modelHash: [UInt8] = modelHash, layout: CalibrationLayout = layout
    ) -> String {
        do {
            _ = try open(bytes, modelHash: modelHash, layout: layout)
            return "accepted"
        } catch let error as CalibrationFileError {
            return error.rule
        } catch {
            return "\(error)"
        }
    }

    private func edited(at offset: Int, to value: some FixedWidthInteger) -> [UInt8] {
        var bytes = Self.encoded
        for index in 0..<value.bitWidth / 8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
        return bytes
    }

    // MARK: What is accepted

    @Test func `A file holds what was written, also after it was unlinked`() throws {
        let file = try open(Self.encoded)
        #expect(file.layout == Self.layout)
        #expect(file.tokenCount == 4321)
        for layer in 0..<3 {
            #expect(file.means[layer] == (0..<7).map { Float(7 * layer + $0) / 8 - 1 })
            #expect(file.weights[layer] == (0..<7).map { 100 + Float(7 * layer + $0) })
            var matrix: [UInt16] = []
            file.withShiftMatrix(layer: layer) { bytes in
                matrix = (0..<bytes.byteCount / 2).map {
                    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
                }
            }
            #expect(matrix == (0..<25).map { UInt16((25 * layer + $0) * 9 + 3) })
        }
    }

    @Test func `The smallest sizes and the largest token count work`() throws {
        let layout = CalibrationLayout(layerCount: 1, hiddenSize: 1, feedForwardSize: 1)
        let tables = Self.tables(layout, tokenCount: Int(UInt32.max))
        let file = try open(tables.encoded(modelHash: Self.modelHash), layout: layout)
        #expect(file.tokenCount == Int(UInt32.max))
        #expect(file.means == [[-1]])
    }

    @Test func `The file is as long as its layout says, and equal tables give equal bytes`() {
        // Header 64, two tables of 84, 3 × 1001 quantiles, padding to 64, 3 × 50, padding to 8.
        let tables = 64 + 84 + 84 + 12_012
        #expect(Self.layout.byteCount == (tables + 63) / 64 * 64 + 152 + 8)
        #expect(Self.encoded.count == Self.layout.byteCount)
        #expect(Self.tables().encoded(modelHash: Self.modelHash) == Self.encoded)
        #expect(Array(Self.encoded.prefix(8)) == Array("HERMESCA".utf8))
    }

    // MARK: Thresholds

    @Test func `A tabulated share gives its quantile`() throws {
        let file = try open(Self.encoded)
        for step in [0, 1, 100, 500, 700, 999, 1000] {
            let share = Float(step) / Float(Self.steps)
            let sparsity = Double(step) / Double(Self.steps)
            for layer in 0..<3 {
                let expected = Float(layer + 1) * share * share
                let threshold = file.threshold(layer: layer, sparsity: sparsity)
                #expect(abs(threshold - expected) <= 1e-6 * Float(layer + 1))
            }
        }
        #expect(file.threshold(layer: 2, sparsity: 0) == 0)
        #expect(file.threshold(layer: 2, sparsity: 1) == 3)
    }

    @Test func `Between two shares thresholds are interpolated and never fall`() throws {
        let file = try open(Self.encoded)
        let (lower, upper) = (
            file.threshold(layer: 1, sparsity: 0.7), file.threshold(layer: 1, sparsity: 0.701)
        )
        for part in [0.25, 0.5, 0.75] {
            let threshold = file.threshold(layer: 1, sparsity: 0.7 + 0.001 * part)
            #expect(abs(threshold - (lower + Float(part) * (upper - lower))) < 1e-6)
        }
        let thresholds = (0...10_000).map {
            file.threshold(layer: 0, sparsity: Double($0) / 10_000)
        }
        #expect(zip(thresholds, thresholds.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test(arguments: [-0.001, 1.001, Double.nan].map(\.bitPattern))
    func `A sparsity that is no share traps`(bits: UInt64) async {
        await #expect(processExitsWith: .failure) { [bits] in
            let sparsity = Double(bitPattern: bits)
            _ = try withTemporaryFile(Self.encoded) { path in
                try CalibrationFile.open(
                    path, modelHash: Self.modelHash, expecting: Self.layout)
            }.threshold(layer: 0, sparsity: sparsity)
        }
    }

    // MARK: What is refused

    @Test func `Each field of the header is checked by name`() {
        #expect(refusal(of: edited(at: 0, to: UInt8(0x67))) == "is not a calibration file")
        #expect(refusal(of: edited(at: 7, to: UInt8(0))) == "is not a calibration file")
        #expect(
            refusal(of: edited(at: 8, to: UInt32(2))) == "has version 2, this program reads 1")
        for (offset, sizes) in [
            (12, [9, 5, 7, 1000]), (16, [3, 9, 7, 1000]), (20, [3, 5, 9, 1000]),
            (24, [3, 5, 7, 9]),
        ] {
            #expect(
                refusal(of: edited(at: offset, to: UInt32(9)))
                    == "was made for a model of other sizes: \(sizes)")
        }
        #expect(
            refusal(of: edited(at: 28, to: UInt32(4322)))
                == "is damaged: its checksum does not match")
        for offset in [32, 63] {
            #expect(
                refusal(of: edited(at: offset, to: UInt8(0)))
                    == "was made for another model (SHA-256 differs)")
        }
    }

    @Test func `Another model's hash and sizes are refused`() {
        var hash = Self.modelHash
        hash[31] ^= 1
        #expect(
            refusal(of: Self.encoded, modelHash: hash)
                == "was made for another model (SHA-256 differs)")
        for layout in [
            CalibrationLayout(layerCount: 4, hiddenSize: 5, feedForwardSize: 7),
            CalibrationLayout(layerCount: 3, hiddenSize: 6, feedForwardSize: 7),
            CalibrationLayout(layerCount: 3, hiddenSize: 5, feedForwardSize: 70),
        ] {
            #expect(
                refusal(of: Self.encoded, layout: layout)
                    == "has \(Self.encoded.count) bytes, expected \(layout.byteCount) "
                    + "for this model")
        }
    }

    @Test func `Sizes that differ in a file of equal length are refused`() {
        let one = CalibrationLayout(layerCount: 1, hiddenSize: 3, feedForwardSize: 4)
        let other = CalibrationLayout(layerCount: 1, hiddenSize: 3, feedForwardSize: 5)
        #expect(one.byteCount == other.byteCount, "padding makes both equally long")
        let bytes = Self.tables(one).encoded(modelHash: Self.modelHash)
        #expect(
            refusal(of: bytes, layout: other)
                == "was made for a model of other sizes: [1, 3, 4, 1000]")
    }

    @Test func `A file of any other length is refused with both lengths`() {
        let whole = Self.encoded.count
        for byteCount in [1, 7, 8, 63, 64, whole / 2, whole - 8, whole - 1] {
            #expect(
                refusal(of: Array(Self.encoded.prefix(byteCount)))
                    == "has \(byteCount) bytes, expected \(whole) for this model")
        }
        #expect(
            refusal(of: Self.encoded + [0])
                == "has \(whole + 1) bytes, expected \(whole) for this model")
    }

    @Test func `An empty, missing or unreadable file is refused by path`() throws {
        #expect(refusal(of: []) != "accepted")
        for path in ["does/not/exist.calibration", "/"] {
            do {
                _ = try CalibrationFile.open(
                    FilePath(path), modelHash: Self.modelHash, expecting: Self.layout)
                Issue.record("\(path) was accepted")
            } catch {
                #expect(error.path == path)
                #expect("\(error)".hasPrefix("calibration file '\(path)' "))
            }
        }
    }

    @Test func `Any single flipped bit is noticed`() {
        var random = SplitMix64(seed: 2026)
        for _ in 0..<400 {
            var bytes = Self.encoded
            let bit = Int.random(in: 0..<8 * bytes.count, using: &random)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            if refusal(of: bytes) == "accepted" {
                Issue.record("bit \(bit % 8) of byte \(bit / 8)")
                return
            }
        }
    }

    @Test func `A run of overwritten bytes is noticed wherever it lies`() {
        var random = SplitMix64(seed: 2027)
        for _ in 0..<200 {
            var bytes = Self.encoded
            let start = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, start + Int.random(in: 1...4096, using: &random))
            for index in start..<end { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
            if bytes != Self.encoded, refusal(of: bytes) == "accepted" {
                Issue.record("bytes \(start)..<\(end)")
                return
            }
        }
    }
}
