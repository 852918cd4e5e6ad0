// The only file of this module with raw pointers: tables become bytes.

/// Byte layout of a calibration file, little-endian.
///
///     0    magic            8 bytes, "HERMESCA"
///     8    version          UInt32
///     12   layers, hidden, feedForward, quantile steps, tokens   UInt32 each
///     32   model SHA-256    32 bytes
///     64   means            Float32 [layers, feedForward]
///          weights          Float32 [layers, feedForward]
///          quantiles        Float32 [layers, steps + 1]
///          padding          to a multiple of 64
///          shift matrices   Float16 [layers, hidden, hidden]
///          padding          to a multiple of 8
///          checksum         UInt64, FNV-1a over all 64-bit words before it
package struct CalibrationLayout: Equatable, Sendable {
    package static let magic: [UInt8] = Array("HERMESCA".utf8)
    package static let version = 1
    /// Thresholds are tabulated for sparsities k / quantileSteps.
    package static let quantileSteps = 1000
    static let headerByteCount = 64

    package let layerCount: Int
    package let hiddenSize: Int
    package let feedForwardSize: Int

    package init(layerCount: Int, hiddenSize: Int, feedForwardSize: Int) {
        precondition(layerCount >= 1 && hiddenSize >= 1 && feedForwardSize >= 1)
        self.layerCount = layerCount
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
    }

    var meansOffset: Int { Self.headerByteCount }
    var weightsOffset: Int { meansOffset + 4 * layerCount * feedForwardSize }
    var quantilesOffset: Int { weightsOffset + 4 * layerCount * feedForwardSize }
    var shiftsOffset: Int {
        let end = quantilesOffset + 4 * layerCount * (Self.quantileSteps + 1)
        return (end + 63) / 64 * 64
    }
    var shiftMatrixByteCount: Int { 2 * hiddenSize * hiddenSize }
    var checksumOffset: Int {
        (shiftsOffset + layerCount * shiftMatrixByteCount + 7) / 8 * 8
    }
    package var byteCount: Int { checksumOffset + 8 }

    /// FNV-1a over 64-bit words: notices truncation and bit rot, not an attacker.
    static func checksum(_ bytes: RawSpan, byteCount: Int) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for offset in stride(from: 0, to: byteCount, by: 8) {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = (hash ^ word) &* 0x0000_0100_0000_01b3
        }
        return hash
    }
}

/// Statistics of a model's gates on a text, as a calibration run found them.
package struct CalibrationTables: Sendable {
    package let layout: CalibrationLayout
    /// Tokens of the text.
    package let tokenCount: Int
    package let means: [Float]  // C: [layers, feedForward], mean of silu(gate)
    package let weights: [Float]  // W: [layers, feedForward], mean 1 in each layer
    /// Of W·|silu(gate) − C|: the value that a share k/steps stays below, [layers, steps + 1].
    package let quantiles: [Float]
    /// Rows of the layer's Σ_j C_j down_j up_jᵀ, half precision, [layers, hidden, hidden].
    package let shifts: [UInt16]

    package init(
        layout: CalibrationLayout, tokenCount: Int, means: [Float], weights: [Float],
        quantiles: [Float], shifts: [UInt16]
    ) {
        precondition(means.count == layout.layerCount * layout.feedForwardSize)
        precondition(weights.count == means.count)
        precondition(
            quantiles.count == layout.layerCount * (CalibrationLayout.quantileSteps + 1))
        precondition(
            shifts.count == layout.layerCount * layout.hiddenSize * layout.hiddenSize)
        self.layout = layout
        self.tokenCount = tokenCount
        self.means = means
        self.weights = weights
        self.quantiles = quantiles
        self.shifts = shifts
    }

    /// The file's content.
    ///
    /// - Parameter modelHash: SHA-256 of the model file, 32 bytes.
    package func encoded(modelHash: [UInt8]) -> [UInt8] {
        precondition(modelHash.count == 32)
        var bytes = [UInt8](repeating: 0, count: layout.byteCount)
        bytes.replaceSubrange(0..<8, with: CalibrationLayout.magic)
        let fields = [
            CalibrationLayout.version, layout.layerCount, layout.hiddenSize,
            layout.feedForwardSize, CalibrationLayout.quantileSteps, tokenCount,
        ]
        unsafe bytes.withUnsafeMutableBytes { target in
            for (index, field) in fields.enumerated() {
                unsafe target.storeBytes(
                    of: UInt32(field), toByteOffset: 8 + 4 * index, as: UInt32.self)
            }
            unsafe target.copy(means.span.bytes, to: layout.meansOffset)
            unsafe target.copy(weights.span.bytes, to: layout.weightsOffset)
            unsafe target.copy(quantiles.span.bytes, to: layout.quantilesOffset)
            unsafe target.copy(shifts.span.bytes, to: layout.shiftsOffset)
        }
        bytes.replaceSubrange(32..<64, with: modelHash)
        let checksum = CalibrationLayout.checksum(
            unsafe bytes.span.bytes, byteCount: layout.checksumOffset)
        unsafe bytes.withUnsafeMutableBytes { target in
            unsafe target.storeBytes(
                of: checksum, toByteOffset: layout.checksumOffset, as: UInt64.self)
        }
        return bytes
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Copies `source` to `offset`; the layout has room for it.
    fileprivate func copy(_ source: RawSpan, to offset: Int) {
        precondition(offset + source.byteCount <= count)
        unsafe source.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: self[offset..<offset + bytes.count])
                .copyMemory(from: bytes)
        }
    }
}
