internal import WeightFormats

/// Copies some neurons of a matrix into neuron-major order; see ``NeuronMajorLayout``.
///
/// Codes and scales move unchanged. Works tile by tile, so that the 64 rows it gathers from
/// stay in the cache.
///
/// - Parameters:
///   - weights: row-major as in the file, [layout.outputCount, inputCount].
///   - inputCount: columns of the matrix: neurons, of which `neurons` names some.
///   - storage: at least layout.byteCount; all of that but the spare slots is overwritten.
///   - layout: made from `neurons`.
package func relayNeurons(
    from weights: RawSpan, inputCount: Int, neurons: NeuronSet,
    into storage: inout MutableRawSpan, layout: NeuronMajorLayout
) {
    let matrix = RowMajor(weights, format: layout.format, columnCount: inputCount)
    precondition(matrix.rowCount >= layout.outputCount)
    precondition(neurons.slotCount == layout.slotCount)
    precondition(storage.byteCount >= layout.byteCount)
    if let last = neurons.neurons.last { precondition(Int(last) < inputCount) }
    let relay = NeuronRelay(matrix: matrix, neurons: neurons, layout: layout)
    for tile in 0..<layout.tileCount {
        if layout.format.isPlain {
            relay.copyElements(of: weights, tile: tile, into: &storage)
        } else {
            var slot = 0
            for block in neurons.blocks.indices {
                var end = slot
                while end < neurons.neurons.count, neurons.blockOfSlot[end] == UInt32(block) {
                    end += 1
                }
                relay.copyScales(of: weights, tile: tile, block: block, into: &storage)
                relay.copyCodes(
                    of: weights, tile: tile, block: block, slots: slot..<end, into: &storage)
                slot = end
            }
        }
    }
}

/// One matrix being copied; the functions below move one tile's share.
private struct NeuronRelay {
    let matrix: RowMajor
    let neurons: NeuronSet
    let layout: NeuronMajorLayout
    let bytesPerBlock: Int

    init(matrix: RowMajor, neurons: NeuronSet, layout: NeuronMajorLayout) {
        self.matrix = matrix
        self.neurons = neurons
        self.layout = layout
        bytesPerBlock = layout.format.bytesPerBlock
    }

    /// Rows of a tile that exist; the others are padding.
    func rowCount(ofTile tile: Int) -> Int {
        min(
            NeuronMajorLayout.tileOutputCount,
            layout.outputCount - tile * NeuronMajorLayout.tileOutputCount)
    }

    /// Where a block of the file begins: `row` within the tile, `block` by its number here.
    func offset(tile: Int, row: Int, block: Int) -> Int {
        (tile * NeuronMajorLayout.tileOutputCount + row) * matrix.rowByteCount
            + Int(neurons.blocks[block]) * bytesPerBlock
    }

    func copyScales(
        of weights: RawSpan, tile: Int, block: Int, into storage: inout MutableRawSpan
    ) {
        let tileOutputCount = NeuronMajorLayout.tileOutputCount
        let start =
            layout.scaleOffset + block * layout.blockByteCount
            + tile * layout.tileScaleByteCount
        let rows = rowCount(ofTile: tile)
        for part in 0..<layout.tileScaleByteCount / (2 * tileOutputCount) {
            var source = offset(tile: tile, row: 0, block: block) + 2 * part
            for row in 0..<tileOutputCount {
                let half = row < rows ? weights.half(at: source) : 0
                storage.storeBytes(
                    of: half.littleEndian,
                    toByteOffset: start + 2 * (part * tileOutputCount + row), as: UInt16.self)
                source += matrix.rowByteCount
            }
        }
    }

    /// Transposes a tile's share of one block, eight neurons and eight bytes of a slot at a
    /// time; eight neurons of which none is held are left out.
    func copyCodes(
        of weights: RawSpan, tile: Int, block: Int, slots: Range<Int>,
        into storage: inout MutableRawSpan
    ) {
        var slot = slots.lowerBound
        while slot < slots.upperBound {
            let group = neurons.neurons[slot] / 8
            var end = slot
            while end < slots.upperBound, neurons.neurons[end] / 8 == group { end += 1 }
            for first in stride(from: 0, to: layout.tileByteCount, by: 8) {
                var words = InlineArray<8, UInt64>(repeating: 0)
                for index in 0..<8 {
                    words[index] = codes(
                        of: weights, tile: tile, block: block, group: Int(group % 4),
                        position: first + index)
                }
                transposeBytes(&words)
                for slot in slot..<end {
                    storage.storeBytes(
                        of: words[Int(neurons.neurons[slot] % 8)].littleEndian,
                        toByteOffset: slot * layout.slotByteCount + tile * layout.tileByteCount
                            + first,
                        as: UInt64.self)
                }
            }
            slot = end
        }
    }

    /// Byte `position` of the tile for neurons 8 group ... 8 group + 7 of the block, the first
    /// in the lowest byte. Q8_0: one row. Q4: rows r and r + 8, whose nibbles the byte holds.
    private func codes(
        of weights: RawSpan, tile: Int, block: Int, group: Int, position: Int
    ) -> UInt64 {
        let rows = rowCount(ofTile: tile)
        if layout.format.codesAreBytes {
            guard position < rows else { return 0 }
            let start = offset(tile: tile, row: position, block: block)
            return weights.doubleWord(at: start + 2 + 8 * group)
        }
        let row = 16 * (position % 4) + position / 4
        guard row < rows else { return 0 }
        // Bytes 0...15 of a block: low nibbles are neurons 0...15, high nibbles 16...31.
        let first = bytesPerBlock - 16 + 8 * (group % 2)
        let low: UInt64 = 0x0F0F_0F0F_0F0F_0F0F
        let upper = weights.doubleWord(at: offset(tile: tile, row: row, block: block) + first)
        let lower =
            row + 8 < rows
            ? weights.doubleWord(at: offset(tile: tile, row: row + 8, block: block) + first) : 0
        return group < 2
            ? (upper & low) | (lower & low) << 4 : (upper >> 4 & low) | (lower & ~low)
    }

    /// Byte j of word i becomes byte i of word j: quadrants are swapped, then their quarters.
    private func transposeBytes(_ words: inout InlineArray<8, UInt64>) {
        swapHalves(&words, distance: 4, mask: 0x0000_0000_FFFF_FFFF)
        swapHalves(&words, distance: 2, mask: 0x0000_FFFF_0000_FFFF)
        swapHalves(&words, distance: 1, mask: 0x00FF_00FF_00FF_00FF)
    }

    @inline(__always)
    private func swapHalves(
        _ words: inout InlineArray<8, UInt64>, distance: Int, mask: UInt64
    ) {
        for index in 0..<8 where index & distance == 0 {
            let difference =
                (words[index] >> UInt64(8 * distance) ^ words[index + distance]) & mask
            words[index + distance] ^= difference
            words[index] ^= difference << UInt64(8 * distance)
        }
    }

    /// Plain formats: a group of slots is gathered row by row, so that a row's neighbouring
    /// elements are read together, and then written slot by slot.
    func copyElements(of weights: RawSpan, tile: Int, into storage: inout MutableRawSpan) {
        let tileOutputCount = NeuronMajorLayout.tileOutputCount
        let rows = rowCount(ofTile: tile)
        var gathered = InlineArray<8192, UInt32>(repeating: 0)
        let neuronCount = neurons.neurons.count
        for group in stride(from: 0, to: neuronCount, by: 128) {
            let slots = group..<min(group + 128, neuronCount)
            for row in 0..<rows {
                let start = matrix.bytes(ofRow: tile * tileOutputCount + row).lowerBound
                for slot in slots {
                    let element = start + Int(neurons.neurons[slot]) * bytesPerBlock
                    gathered[(slot - group) * tileOutputCount + row] =
                        bytesPerBlock == 4
                        ? weights.word(at: element) : UInt32(weights.half(at: element))
                }
            }
            for slot in slots {
                let start = slot * layout.slotByteCount + tile * layout.tileByteCount
                for row in 0..<tileOutputCount {
                    let word = gathered[(slot - group) * tileOutputCount + row]
                    let offset = start + row * bytesPerBlock
                    if bytesPerBlock == 4 {
                        storage.storeBytes(
                            of: word.littleEndian, toByteOffset: offset, as: UInt32.self)
                    } else {
                        let half = UInt16(truncatingIfNeeded: word)
                        storage.storeBytes(
                            of: half.littleEndian, toByteOffset: offset, as: UInt16.self)
                    }
                }
            }
        }
    }
}
