import MappedMemory
package import SystemPackage

/// A calibration file, mapped: small tables are copied out, the shift matrices stay mapped.
package final class CalibrationFile: Sendable {
    package let layout: CalibrationLayout
    package let tokenCount: Int
    package let means: [[Float]]  // [layers][feedForward]
    package let weights: [[Float]]  // [layers][feedForward]
    private let quantiles: [[Float]]  // [layers][steps + 1]
    private let mapping: FileMapping

    /// Opens and checks a file that was made for the model with this hash and these sizes.
    package static func open(
        _ path: FilePath, modelHash: [UInt8], expecting layout: CalibrationLayout
    ) throws(CalibrationFileError) -> CalibrationFile {
        let mapping: FileMapping
        do {
            mapping = try FileMapping.open(path)
        } catch {
            throw CalibrationFileError(path: path.string, rule: error.description)
        }
        try check(mapping.bytes, path: path.string, modelHash: modelHash, layout: layout)
        return CalibrationFile(adopting: mapping, layout: layout)
    }

    private init(adopting mapping: consuming FileMapping, layout: CalibrationLayout) {
        self.layout = layout
        let bytes = mapping.bytes
        tokenCount = Int(
            unsafe bytes.unsafeLoadUnaligned(fromByteOffset: 28, as: UInt32.self))
        let width = layout.feedForwardSize
        let steps = CalibrationLayout.quantileSteps + 1
        means = Self.rows(bytes, layout.meansOffset, count: layout.layerCount, width: width)
        weights = Self.rows(bytes, layout.weightsOffset, count: layout.layerCount, width: width)
        quantiles = Self.rows(
            bytes, layout.quantilesOffset, count: layout.layerCount, width: steps)
        self.mapping = mapping
    }

    private static func rows(
        _ bytes: RawSpan, _ offset: Int, count: Int, width: Int
    ) -> [[Float]] {
        (0..<count).map { row in
            (0..<width).map { column in
                unsafe bytes.unsafeLoadUnaligned(
                    fromByteOffset: offset + 4 * (row * width + column), as: Float.self)
            }
        }
    }

    private static func check(
        _ bytes: RawSpan, path: String, modelHash: [UInt8], layout: CalibrationLayout
    ) throws(CalibrationFileError) {
        func require(_ condition: Bool, _ rule: String) throws(CalibrationFileError) {
            guard condition else { throw CalibrationFileError(path: path, rule: rule) }
        }
        func field(_ offset: Int) -> Int {
            Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        func text(_ range: Range<Int>) -> [UInt8] {
            range.map { unsafe bytes.unsafeLoadUnaligned(fromByteOffset: $0, as: UInt8.self) }
        }
        try require(
            bytes.byteCount == layout.byteCount,
            "has \(bytes.byteCount) bytes, expected \(layout.byteCount) for this model")
        try require(text(0..<8) == CalibrationLayout.magic, "is not a calibration file")
        try require(
            field(8) == CalibrationLayout.version,
            "has version \(field(8)), this program reads \(CalibrationLayout.version)")
        let sizes = [field(12), field(16), field(20), field(24)]
        try require(
            sizes == [
                layout.layerCount, layout.hiddenSize, layout.feedForwardSize,
                CalibrationLayout.quantileSteps,
            ], "was made for a model of other sizes: \(sizes)")
        try require(text(32..<64) == modelHash, "was made for another model (SHA-256 differs)")
        let stored = unsafe bytes.unsafeLoadUnaligned(
            fromByteOffset: layout.checksumOffset, as: UInt64.self)
        try require(
            CalibrationLayout.checksum(bytes, byteCount: layout.checksumOffset) == stored,
            "is damaged: its checksum does not match")
    }

    /// The threshold of a layer that leaves a share `sparsity` of its gates inactive.
    ///
    /// - Parameter sparsity: 0...1; between tabulated shares the values are interpolated.
    package func threshold(layer: Int, sparsity: Double) -> Float {
        precondition(sparsity >= 0 && sparsity <= 1)
        let place = sparsity * Double(CalibrationLayout.quantileSteps)
        let lower = min(Int(place), CalibrationLayout.quantileSteps - 1)
        let share = Float(place - Double(lower))
        let table = quantiles[layer]
        return table[lower] + share * (table[lower + 1] - table[lower])
    }

    /// Hands `body` Σ_j C_j down_j up_jᵀ of a layer: half precision, row-major, row = output.
    package func withShiftMatrix(layer: Int, _ body: (RawSpan) -> Void) {
        let start = layout.shiftsOffset + layer * layout.shiftMatrixByteCount
        let range = start..<start + layout.shiftMatrixByteCount
        mapping.withSpan { body($0.extracting(range)) }
    }
}

extension FileMapping {
    /// A function of its own: Swift lets no span of a class's stored property be bound to a name.
    fileprivate func withSpan(_ body: (RawSpan) -> Void) { body(bytes) }
}

/// Why a calibration file is refused; it can always be made again.
package struct CalibrationFileError: Error, Equatable, CustomStringConvertible {
    package let path: String
    package let rule: String

    package var description: String { "calibration file '\(path)' \(rule)" }
}
