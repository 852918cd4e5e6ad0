// The only file of this module with raw pointers: rows and neurons' weights are copied as bytes.

package import Kernels
import ModelFile
import WeightFormats

/// Some columns of a matrix, re-laid neuron-major at a byte range of a shard's storage.
package struct PlacedColumns: Sendable {
    package let layout: NeuronMajorLayout
    private let neurons: NeuronSet
    private let offset: Int

    /// Plans the columns from byte `cursor` on, and moves the cursor to the next cache line.
    init(_ tensor: Tensor, neurons: NeuronSet, cursor: inout Int) {
        layout = NeuronMajorLayout(
            format: tensor.format, outputCount: tensor.rowCount, neurons: neurons)
        self.neurons = neurons
        offset = cursor
        cursor = nextCacheLine(after: cursor + layout.byteCount)
    }

    func load(from file: ModelFile, _ tensor: Tensor, into storage: inout MutableRawSpan) {
        var part = storage._mutatingExtracting(offset..<offset + layout.byteCount)
        relayNeurons(
            from: file.bytes(of: tensor), inputCount: tensor.columnCount, neurons: neurons,
            into: &part, layout: layout)
    }

    /// Bytes of one neuron as it travels: its codes, then the scales that it uses.
    var parcelByteCount: Int { layout.slotByteCount + layout.blockByteCount }

    /// Copies a slot's codes and scales to `byteOffset` of `target`, and moves that past them.
    func read(
        _ storage: RawSpan, slot: Int, into target: inout MutableRawSpan, at byteOffset: inout Int
    ) {
        let own = storage.extracting(offset..<offset + layout.byteCount)
        for range in ranges(ofSlot: slot) {
            target.copy(own.extracting(range), to: byteOffset)
            byteOffset += range.count
        }
    }

    /// Fills a slot with codes and scales that ``read(_:slot:into:at:)`` wrote.
    ///
    /// A table of scales that other slots use, too, is overwritten with equal bytes, for the
    /// neuron is of the same block.
    func write(
        _ source: RawSpan, at byteOffset: inout Int, slot: Int, into storage: inout MutableRawSpan
    ) {
        for range in ranges(ofSlot: slot) {
            let part = source.extracting(byteOffset..<byteOffset + range.count)
            storage.copy(part, to: offset + range.lowerBound)
            byteOffset += range.count
        }
    }

    private func ranges(ofSlot slot: Int) -> [Range<Int>] {
        [
            layout.slotBytes(slot),
            layout.scaleBytes(ofBlock: Int(neurons.blockOfSlot[slot])),
        ]
    }

    /// Adds the columns of the first `count` slots named, each times its coefficient, to the
    /// elements of `sum` from `start` on.
    func accumulate(
        _ storage: RawSpan, slots: [UInt32], coefficients: [Float], count: Int,
        into sum: inout PartialSum, from start: Int
    ) {
        let own = storage.extracting(offset..<offset + layout.byteCount)
        let extent = start..<start + layout.outputCount
        if sum.isWide {
            var all = sum.wide.mutableSpan
            var part = all._mutatingExtracting(extent)
            accumulateNeuronsWide(
                storage: own, layout: layout, neurons: neurons,
                activeSlots: slots.span.extracting(0..<count),
                coefficients: coefficients.span.extracting(0..<count), into: &part)
        } else {
            var all = sum.narrow.mutableSpan
            var part = all._mutatingExtracting(extent)
            accumulateNeurons(
                storage: own, layout: layout, neurons: neurons,
                activeSlots: slots.span.extracting(0..<count),
                coefficients: coefficients.span.extracting(0..<count), into: &part)
        }
    }
}

/// Some rows of a matrix, in the file's own layout, at a byte range of a shard's storage.
package struct PlacedRows: Sendable {
    private let format: WeightFormat
    let columnCount: Int
    private let rowByteCount: Int
    private let rowCount: Int
    private let offset: Int

    /// Plans the rows from byte `cursor` on, and moves the cursor to the next cache line.
    init(_ tensor: Tensor, rowCount: Int, cursor: inout Int) {
        format = tensor.format
        columnCount = tensor.columnCount
        rowByteCount = tensor.rowByteCount
        self.rowCount = rowCount
        offset = cursor
        cursor = nextCacheLine(after: cursor + rowCount * rowByteCount)
    }

    /// Plans some elements of a vector of a plain format, each a row of its own.
    init(elementsOf tensor: Tensor, rowCount: Int, cursor: inout Int) {
        format = tensor.format
        columnCount = 1
        rowByteCount = tensor.format.bytesPerBlock
        self.rowCount = rowCount
        offset = cursor
        cursor = nextCacheLine(after: cursor + rowCount * rowByteCount)
    }

    private var byteRange: Range<Int> { offset..<offset + rowCount * rowByteCount }

    /// Bytes of one row as it travels.
    var parcelByteCount: Int { rowByteCount }

    /// Copies a slot's row to `byteOffset` of `target`, and moves that past it.
    func read(
        _ storage: RawSpan, slot: Int, into target: inout MutableRawSpan, at byteOffset: inout Int
    ) {
        target.copy(storage.extracting(byteRange(ofSlot: slot)), to: byteOffset)
        byteOffset += rowByteCount
    }

    /// Fills a slot with a row that ``read(_:slot:into:at:)`` wrote.
    func write(
        _ source: RawSpan, at byteOffset: inout Int, slot: Int, into storage: inout MutableRawSpan
    ) {
        let row = source.extracting(byteOffset..<byteOffset + rowByteCount)
        storage.copy(row, to: byteRange(ofSlot: slot).lowerBound)
        byteOffset += rowByteCount
    }

    private func byteRange(ofSlot slot: Int) -> Range<Int> {
        precondition(slot >= 0 && slot < rowCount)
        let start = offset + slot * rowByteCount
        return start..<start + rowByteCount
    }

    /// - Parameter rows: the file's row (or element) numbers, at most [rowCount].
    func load(
        from file: ModelFile, _ tensor: Tensor, rows: [UInt32], into storage: inout MutableRawSpan
    ) {
        precondition(rows.count <= rowCount)
        let bytes = file.bytes(of: tensor)
        for (slot, row) in rows.enumerated() {
            let start = Int(row) * rowByteCount
            storage.copy(
                bytes.extracting(start..<start + rowByteCount), to: offset + slot * rowByteCount)
        }
    }

    /// Output[k] = row of slot `slots[k]` · input, for the first `count` slots named.
    func multiply(
        _ storage: RawSpan, rows slots: [UInt32], count: Int, by input: [Float],
        into output: inout [Float]
    ) {
        var all = output.mutableSpan
        var part = all._mutatingExtracting(0..<count)
        multiplySelectedRows(
            weights: storage.extracting(byteRange), format: format, columnCount: columnCount,
            selected: slots.span.extracting(0..<count),
            by: input.span.extracting(0..<columnCount), into: &part)
    }

    /// Adds the rows of the first `count` slots named, each times its coefficient, to the first
    /// elements of `sum`, which is narrow: only gated models run with wide sums, and they keep
    /// their neurons in columns.
    func accumulate(
        _ storage: RawSpan, rows slots: [UInt32], coefficients: [Float], count: Int,
        into sum: inout PartialSum
    ) {
        precondition(!sum.isWide)
        var all = sum.narrow.mutableSpan
        var part = all._mutatingExtracting(0..<columnCount)
        accumulateRows(
            weights: storage.extracting(byteRange), format: format, columnCount: columnCount,
            selected: slots.span.extracting(0..<count),
            coefficients: coefficients.span.extracting(0..<count), into: &part)
    }
}

private func nextCacheLine(after byteOffset: Int) -> Int { (byteOffset + 63) / 64 * 64 }

extension MutableRawSpan {
    /// Copies `source` to `byteOffset`: this module's only unsafe code.
    fileprivate mutating func copy(_ source: RawSpan, to byteOffset: Int) {
        precondition(byteOffset >= 0 && byteOffset + source.byteCount <= byteCount)
        unsafe withUnsafeMutableBytes { target in
            unsafe source.withUnsafeBytes { bytes in
                unsafe UnsafeMutableRawBufferPointer(
                    rebasing: target[byteOffset..<byteOffset + bytes.count]
                ).copyMemory(from: bytes)
            }
        }
    }
}
