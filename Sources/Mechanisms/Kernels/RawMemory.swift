internal import CVectorKernels
internal import Dispatch
internal import WeightFormats

// The module's only unsafe code: unaligned loads, spans handed to the vector kernels as
// pointers, and parts of an output that threads fill side by side. Callers have checked all
// lengths; loads check their own offset.

extension RawSpan {
    func byte(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// Two bytes, little-endian as model files are.
    func half(at offset: Int) -> UInt16 {
        unsafe UInt16(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// Four bytes, little-endian.
    func word(at offset: Int) -> UInt32 {
        unsafe UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Eight bytes, little-endian.
    func doubleWord(at offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

extension WeightFormat {
    fileprivate var vectorFormat: vector_format {
        switch self {
        case .f32: VECTOR_F32
        case .f16: VECTOR_F16
        case .bf16: VECTOR_BF16
        case .q8_0: VECTOR_Q8_0
        case .q4_0: VECTOR_Q4_0
        case .q4_1: VECTOR_Q4_1
        }
    }
}

// MARK: - Threads

/// Runs `body` for `partCount` contiguous ranges that cover 0..<count, on as many threads.
private func concurrently(count: Int, partCount: Int, _ body: @Sendable (Range<Int>) -> Void) {
    if partCount <= 1 {
        if count > 0 { body(0..<count) }
        return
    }
    DispatchQueue.concurrentPerform(iterations: partCount) { part in
        body(count * part / partCount..<count * (part + 1) / partCount)
    }
}

/// Splits `y` into contiguous parts of whole units, one per thread.
///
/// - Parameter body: gets a range of units and the elements of `y` that belong to it.
func forEachPart(
    of y: inout MutableSpan<Float>, unit: Int, threadCount: Int,
    _ body: @Sendable (Range<Int>, inout MutableSpan<Float>) -> Void
) {
    precondition(threadCount > 0)
    let unitCount = y.count / unit
    unsafe y.withUnsafeMutableBufferPointer { y in
        // Parts do not overlap, so each thread has its elements to itself.
        nonisolated(unsafe) let y = unsafe y
        concurrently(count: unitCount, partCount: min(threadCount, unitCount)) { part in
            let elements = part.lowerBound * unit..<part.upperBound * unit
            var span = unsafe MutableSpan(_unsafeElements: y.extracting(elements))
            body(part, &span)
        }
    }
}

// MARK: - Matrices

/// Room for an arranged vector, on cache lines: loads that straddle two cost twice.
private func withArranged(
    _ x: Span<Float>, _ format: WeightFormat, _ body: (UnsafePointer<Float>?) -> Void
) {
    unsafe x.withUnsafeBufferPointer { x in
        guard !format.isPlain else { return unsafe body(x.baseAddress) }
        unsafe withUnsafeTemporaryAllocation(
            byteCount: x.count / 32 * 40 * MemoryLayout<Float>.stride, alignment: 64
        ) { room in
            let arranged = unsafe room.bindMemory(to: Float.self).baseAddress
            unsafe vector_arrange(format.vectorFormat, x.baseAddress, x.count, arranged)
            unsafe body(UnsafePointer(arranged))
        }
    }
}

/// `y[k]` = row k, or row `selected[k]`, of `weights` times x.
func vectorMultiplyRows(
    _ weights: RawSpan, _ matrix: RowMajor, selected: Span<UInt32>?, by x: Span<Float>,
    into y: inout MutableSpan<Float>, _ threadCount: Int
) {
    let format = matrix.format.vectorFormat
    unsafe withArranged(x, matrix.format) { x in
        // Threads only read it.
        nonisolated(unsafe) let x = unsafe x
        forEachPart(of: &y, unit: 1, threadCount: threadCount) { part, y in
            unsafe weights.withUnsafeBytes { weights in
                unsafe y.withUnsafeMutableBufferPointer { y in
                    let start = unsafe weights.baseAddress?
                        .assumingMemoryBound(to: UInt8.self)
                    guard let selected else {
                        let rows = unsafe start.map {
                            unsafe $0 + part.lowerBound * matrix.rowByteCount
                        }
                        return unsafe vector_multiply_rows(
                            format, rows, matrix.rowByteCount, matrix.columnCount, nil,
                            part.count, x, y.baseAddress)
                    }
                    unsafe selected.extracting(part).withUnsafeBufferPointer { selected in
                        unsafe vector_multiply_rows(
                            format, start, matrix.rowByteCount, matrix.columnCount,
                            selected.baseAddress, part.count, x, y.baseAddress)
                    }
                }
            }
        }
    }
}

/// `Y[t, r]` = row r times `X[t]`. Threads share the rows in whole panels of 16.
func vectorMultiplyBatch(
    _ weights: RawSpan, _ matrix: RowMajor, rowCount: Int, tokenCount: Int, by X: Span<Float>,
    into Y: inout MutableSpan<Float>, _ threadCount: Int
) {
    precondition(threadCount > 0)
    let panelCount = (rowCount + 15) / 16
    unsafe weights.withUnsafeBytes { weights in
        unsafe X.withUnsafeBufferPointer { X in
            unsafe Y.withUnsafeMutableBufferPointer { Y in
                guard let base = weights.baseAddress, let output = Y.baseAddress
                else { return }
                // Threads only read the weights.
                nonisolated(unsafe) let start = unsafe base.assumingMemoryBound(to: UInt8.self)
                nonisolated(unsafe) let X = unsafe X  // only read as well
                // A thread writes the columns of Y that belong to its rows, no others.
                nonisolated(unsafe) let Y = unsafe output
                concurrently(count: panelCount, partCount: min(threadCount, panelCount)) { part in
                    let first = part.lowerBound * 16
                    unsafe vector_multiply_batch(
                        matrix.format.vectorFormat, start + first * matrix.rowByteCount,
                        matrix.rowByteCount, matrix.columnCount,
                        min(part.upperBound * 16, rowCount) - first, X.baseAddress, tokenCount,
                        Y + first, rowCount)
                }
            }
        }
    }
}

/// y += the active slots' columns times their coefficients.
func vectorAccumulate(
    _ storage: RawSpan, _ layout: NeuronMajorLayout, blockOfSlot: Span<UInt32>,
    _ activeSlots: Span<UInt32>, _ coefficients: Span<Float>, into y: inout MutableSpan<Float>
) {
    let format = layout.format.vectorFormat
    unsafe storage.withUnsafeBytes { storage in
        unsafe blockOfSlot.withUnsafeBufferPointer { blockOfSlot in
            unsafe activeSlots.withUnsafeBufferPointer { active in
                unsafe coefficients.withUnsafeBufferPointer { coefficients in
                    unsafe y.withUnsafeMutableBufferPointer { y in
                        guard
                            let codes = unsafe storage.baseAddress?
                                .assumingMemoryBound(to: UInt8.self)
                        else { return }
                        if layout.format.isPlain {
                            unsafe vector_accumulate_plain(
                                format, codes, y.count, active.baseAddress,
                                coefficients.baseAddress, active.count, y.baseAddress)
                        } else {
                            unsafe vector_accumulate_quantised(
                                format, codes, codes + layout.scaleOffset, y.count,
                                blockOfSlot.baseAddress, active.baseAddress,
                                coefficients.baseAddress, active.count, y.baseAddress)
                        }
                    }
                }
            }
        }
    }
}

/// y += the selected rows times their coefficients; rows are plain and whole tiles of 64.
func vectorAccumulateRows(
    _ weights: RawSpan, _ matrix: RowMajor, _ selected: Span<UInt32>, _ coefficients: Span<Float>,
    into y: inout MutableSpan<Float>
) {
    let format = matrix.format.vectorFormat
    unsafe weights.withUnsafeBytes { weights in
        unsafe selected.withUnsafeBufferPointer { selected in
            unsafe coefficients.withUnsafeBufferPointer { coefficients in
                unsafe y.withUnsafeMutableBufferPointer { y in
                    unsafe vector_accumulate_plain(
                        format, weights.baseAddress?.assumingMemoryBound(to: UInt8.self), y.count,
                        selected.baseAddress, coefficients.baseAddress, selected.count,
                        y.baseAddress)
                }
            }
        }
    }
}

/// As ``vectorAccumulate(_:_:blockOfSlot:_:_:into:)`` for a quantised format, in double.
func vectorAccumulateWide(
    _ storage: RawSpan, _ layout: NeuronMajorLayout, blockOfSlot: Span<UInt32>,
    _ activeSlots: Span<UInt32>, _ coefficients: Span<Float>, into y: inout MutableSpan<Double>
) {
    let format = layout.format.vectorFormat
    unsafe storage.withUnsafeBytes { storage in
        unsafe blockOfSlot.withUnsafeBufferPointer { blockOfSlot in
            unsafe activeSlots.withUnsafeBufferPointer { active in
                unsafe coefficients.withUnsafeBufferPointer { coefficients in
                    unsafe y.withUnsafeMutableBufferPointer { y in
                        guard
                            let codes = unsafe storage.baseAddress?
                                .assumingMemoryBound(to: UInt8.self)
                        else { return }
                        unsafe vector_accumulate_wide(
                            format, codes, codes + layout.scaleOffset, y.count,
                            blockOfSlot.baseAddress, active.baseAddress,
                            coefficients.baseAddress, active.count, y.baseAddress)
                    }
                }
            }
        }
    }
}

// MARK: - Vectors

/// Hands up to three inputs and an output to a vector kernel.
private func withPointers(
    _ a: Span<Float>, _ b: Span<Float>, _ c: Span<Float>, _ out: inout MutableSpan<Float>,
    _ body: (
        UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?,
        UnsafeMutablePointer<Float>?
    ) -> Void
) {
    unsafe a.withUnsafeBufferPointer { a in
        unsafe b.withUnsafeBufferPointer { b in
            unsafe c.withUnsafeBufferPointer { c in
                unsafe out.withUnsafeMutableBufferPointer { out in
                    unsafe body(a.baseAddress, b.baseAddress, c.baseAddress, out.baseAddress)
                }
            }
        }
    }
}

func vectorRMSNorm(
    _ x: Span<Float>, _ weight: Span<Float>, _ epsilon: Float,
    into out: inout MutableSpan<Float>
) {
    let count = x.count
    unsafe withPointers(x, weight, x, &out) { x, weight, _, out in
        unsafe vector_rms_norm(x, weight, count, epsilon, out)
    }
}

func vectorLayerNorm(
    _ x: Span<Float>, _ weight: Span<Float>, _ bias: Span<Float>, _ epsilon: Float,
    into out: inout MutableSpan<Float>
) {
    let count = x.count
    unsafe withPointers(x, weight, bias, &out) { x, weight, bias, out in
        unsafe vector_layer_norm(x, weight, bias, count, epsilon, out)
    }
}

func vectorAdd(_ x: Span<Float>, to y: inout MutableSpan<Float>) {
    let count = x.count
    unsafe withPointers(x, x, x, &y) { x, _, _, y in unsafe vector_add(x, count, y) }
}

func vectorExponential(_ x: Span<Float>, into out: inout MutableSpan<Float>) {
    let count = x.count
    unsafe withPointers(x, x, x, &out) { x, _, _, out in unsafe vector_exp(x, count, out) }
}

func vectorSiluMultiply(
    _ gate: Span<Float>, _ up: Span<Float>, into out: inout MutableSpan<Float>
) {
    let count = gate.count
    unsafe withPointers(gate, up, up, &out) { gate, up, _, out in
        unsafe vector_silu_multiply(gate, up, count, out)
    }
}

func vectorSoftmax(_ x: inout MutableSpan<Float>) {
    unsafe x.withUnsafeMutableBufferPointer { x in
        unsafe vector_softmax(x.baseAddress, x.count)
    }
}

/// Rotates the first 2 × pairs elements of every head of `x`.
func vectorRotate(
    _ x: inout MutableSpan<Float>, headSize: Int, cosines: Span<Float>, sines: Span<Float>,
    interleaved: Bool
) {
    let pairCount = cosines.count
    let elementCount = x.count
    unsafe withPointers(cosines, sines, sines, &x) { cosines, sines, _, x in
        guard let x = unsafe x else { return }
        for first in stride(from: 0, to: elementCount, by: headSize) {
            unsafe vector_rotate(x + first, cosines, sines, pairCount, interleaved ? 1 : 0)
        }
    }
}

func vectorShiftedActivity(
    _ gates: Span<Float>, _ means: Span<Float>, _ weights: Span<Float>, _ threshold: Float,
    active: inout MutableSpan<UInt32>, shifted: inout MutableSpan<Float>
) -> Int {
    let count = gates.count
    var found = 0
    unsafe active.withUnsafeMutableBufferPointer { active in
        unsafe withPointers(gates, means, weights, &shifted) { gates, means, weights, shifted in
            found = unsafe vector_shifted_activity(
                gates, means, weights, count, threshold, active.baseAddress, shifted)
        }
    }
    return found
}

func vectorAttention(
    _ queries: Span<Float>, headSize: Int, keys: Span<Float>, values: Span<Float>, scale: Float,
    scores: inout MutableSpan<Float>, into context: inout MutableSpan<Float>
) {
    let headCount = queries.count / headSize
    let positionCount = keys.count / headSize
    unsafe scores.withUnsafeMutableBufferPointer { scores in
        unsafe withPointers(queries, keys, values, &context) { queries, keys, values, context in
            unsafe vector_attention(
                queries, headCount, headSize, keys, values, positionCount, scale,
                scores.baseAddress, context)
        }
    }
}
