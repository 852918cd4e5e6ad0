package import WeightFormats

/// Some neurons of a matrix [outputs, inputs]: which of its columns a shard holds, in order.
///
/// The neuron at position s of ``neurons`` is in *slot* s. Quantised formats share a scale
/// between 32 neighbouring neurons; slots of one such block are neighbours here too. Slots with
/// scales of their own can be given to any neuron later.
package struct NeuronSet: Sendable, Equatable {
    /// Column numbers, strictly ascending, [slot]; spare slots follow and have none.
    package let neurons: [UInt32]
    /// Which table of scales a slot uses: its position in ``blocks``, or behind these for a spare
    /// slot, [slot].
    package let blockOfSlot: [UInt32]
    /// Blocks of 32 columns of which the set holds at least one, ascending; once per neuron where
    /// scales are not shared.
    package let blocks: [UInt32]

    /// - Parameters:
    ///   - neurons: strictly ascending.
    ///   - sharesScales: whether neurons of one block use one table of scales.
    ///   - spareSlotCount: slots without a neuron yet, each with scales of its own.
    package init(
        ascending neurons: [UInt32], sharesScales: Bool = true, spareSlotCount: Int = 0
    ) {
        precondition(spareSlotCount >= 0)
        var blockOfSlot: [UInt32] = []
        blockOfSlot.reserveCapacity(neurons.count + spareSlotCount)
        var blocks: [UInt32] = []
        for (slot, neuron) in neurons.enumerated() {
            precondition(slot == 0 || neurons[slot - 1] < neuron, "neurons must ascend")
            if !sharesScales || blocks.last != neuron / 32 { blocks.append(neuron / 32) }
            blockOfSlot.append(UInt32(blocks.count - 1))
        }
        for spare in 0..<spareSlotCount { blockOfSlot.append(UInt32(blocks.count + spare)) }
        self.neurons = neurons
        self.blockOfSlot = blockOfSlot
        self.blocks = blocks
    }

    package var slotCount: Int { blockOfSlot.count }
    /// Tables of scales, those of spare slots included.
    package var blockCount: Int { blocks.count + slotCount - neurons.count }
}

/// Byte layout of some neurons of a matrix, one neuron after the other.
///
/// In the file a row holds one output's weights of all neurons; here a slot holds one neuron's
/// weights of all outputs, so that an inactive neuron costs no read and an active one reads one
/// piece. Outputs form tiles of 64, the last padded with zeros.
///
///     offset 0            slots     slotCount × slotByteCount
///     scaleOffset         scales    [block][tile]: 64 halves d; Q4_1: then 64 halves m
///
/// A slot's tile holds, for output o = 8 v + l of the tile:
/// * F32, F16, BF16: elements in order of o; there are no scales.
/// * Q8_0: signed bytes in order of o.
/// * Q4_0, Q4_1: bits 4 v ... 4 v + 3 of the 32-bit word l (eight words).
///
/// Scales and codes are the file's own, so dequantised values are the file's bit for bit.
package struct NeuronMajorLayout: Sendable, Equatable {
    package let format: WeightFormat
    package let outputCount: Int
    package let slotCount: Int
    /// Tables of scales held, as the neurons share them; 0 for plain formats.
    package let blockCount: Int

    static let tileOutputCount = 64

    /// - Parameter outputCount: rows of the matrix in the file; positive.
    package init(format: WeightFormat, outputCount: Int, neurons: NeuronSet) {
        precondition(outputCount > 0)
        self.format = format
        self.outputCount = outputCount
        slotCount = neurons.slotCount
        blockCount = format.isPlain ? 0 : neurons.blockCount
    }

    package var tileCount: Int { (outputCount - 1) / Self.tileOutputCount + 1 }

    /// Bytes of one slot's share of one tile.
    var tileByteCount: Int {
        switch format {
        case .f32: 4 * Self.tileOutputCount
        case .f16, .bf16: 2 * Self.tileOutputCount
        case .q8_0: Self.tileOutputCount
        case .q4_0, .q4_1: Self.tileOutputCount / 2
        }
    }

    /// Bytes of one block's share of one tile in the table of scales.
    var tileScaleByteCount: Int {
        switch format {
        case .f32, .f16, .bf16: 0
        case .q8_0, .q4_0: 2 * Self.tileOutputCount
        case .q4_1: 4 * Self.tileOutputCount
        }
    }

    /// Bytes that an active neuron reads, scales aside.
    package var slotByteCount: Int { tileCount * tileByteCount }
    /// Bytes of one block's scales.
    package var blockByteCount: Int { tileCount * tileScaleByteCount }
    /// Where the table of scales begins: a multiple of 64.
    package var scaleOffset: Int { (slotCount * slotByteCount + 63) / 64 * 64 }
    /// Where a slot's codes or elements lie.
    package func slotBytes(_ slot: Int) -> Range<Int> {
        precondition(slot >= 0 && slot < slotCount)
        return slot * slotByteCount..<(slot + 1) * slotByteCount
    }

    /// Where a table of scales lies; empty for plain formats.
    package func scaleBytes(ofBlock block: Int) -> Range<Int> {
        if blockCount == 0 { return scaleOffset..<scaleOffset }
        precondition(block >= 0 && block < blockCount)
        let start = scaleOffset + block * blockByteCount
        return start..<start + blockByteCount
    }

    /// Bytes of the whole shard.
    package var byteCount: Int { scaleOffset + blockCount * blockByteCount }
}

/// Adds the active neurons' share to a partial sum: `y += Σ coefficients[k] · W[:, neuron(k)]`.
///
/// Within a block of 32 neurons, codes times coefficients are summed first and the scale is
/// applied to the sum, so scales cost one read and one product per block and output however
/// many of its neurons are active.
///
/// - Parameters:
///   - storage: what ``relayNeurons(from:inputCount:neurons:into:layout:)`` wrote.
///   - layout: of `storage`.
///   - neurons: those that the shard holds.
///   - activeSlots: strictly ascending slots, not neurons.
///   - coefficients: one per active slot: the neuron's activation.
///   - y: [outputCount], added to; the caller clears it once per token.
/// - Complexity: reads slotByteCount bytes per active slot and blockByteCount per block touched.
package func accumulateNeurons(
    storage: RawSpan, layout: NeuronMajorLayout, neurons: NeuronSet, activeSlots: Span<UInt32>,
    coefficients: Span<Float>, into y: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    precondition(storage.byteCount >= layout.byteCount)
    precondition(neurons.slotCount == layout.slotCount)
    precondition(coefficients.count == activeSlots.count)
    precondition(y.count == layout.outputCount)
    if activeSlots.isEmpty { return }
    for k in 1..<activeSlots.count { precondition(activeSlots[k - 1] < activeSlots[k]) }
    precondition(Int(activeSlots[activeSlots.count - 1]) < layout.slotCount)
    if path.usesVectors {
        vectorAccumulate(
            storage, layout, blockOfSlot: neurons.blockOfSlot.span, activeSlots, coefficients,
            into: &y)
    } else if layout.format.isPlain {
        for k in activeSlots.indices {
            for output in y.indices {
                let weight = layout.element(storage, slot: Int(activeSlots[k]), output: output)
                y[output] = y[output].addingProduct(coefficients[k], weight)
            }
        }
    } else {
        portableAccumulate(storage, layout, neurons, activeSlots, coefficients, into: &y)
    }
}

/// Block by block, in the order that defines the result. The factor of 16^(v mod 4) is how the
/// vector path finds nibbles in place; it cancels exactly unless a sum overflows.
private func portableAccumulate(
    _ storage: RawSpan, _ layout: NeuronMajorLayout, _ neurons: NeuronSet,
    _ activeSlots: Span<UInt32>, _ coefficients: Span<Float>, into y: inout MutableSpan<Float>
) {
    let powers: InlineArray<4, Float> = [1, 16, 256, 4096]
    var first = 0
    while first < activeSlots.count {
        let block = neurons.blockOfSlot[Int(activeSlots[first])]
        var coefficientSum: Float = 0
        var end = first
        while end < activeSlots.count, neurons.blockOfSlot[Int(activeSlots[end])] == block {
            coefficientSum += coefficients[end]
            end += 1
        }
        for output in y.indices {
            let vector = output % NeuronMajorLayout.tileOutputCount / 8
            let power = layout.format.codesAreBytes ? 1 : powers[vector % 4]
            var sum = layout.format.codesAreCentered ? -8 * coefficientSum * power : 0
            for k in first..<end {
                let code = layout.code(storage, slot: Int(activeSlots[k]), output: output)
                sum = sum.addingProduct(coefficients[k], Float(code) * power)
            }
            let (scale, offset) = layout.scales(storage, block: Int(block), output: output)
            if layout.format.hasOffsets {
                y[output] = y[output].addingProduct(offset, coefficientSum)
            }
            y[output] = y[output].addingProduct(scale * (1 / power), sum)
        }
        first = end
    }
}

/// Writes one neuron's weights as float: the same bits as the file's column.
///
/// - Parameter output: [outputCount].
package func dequantiseNeuron(
    storage: RawSpan, layout: NeuronMajorLayout, neurons: NeuronSet, slot: Int,
    into output: inout MutableSpan<Float>
) {
    precondition(storage.byteCount >= layout.byteCount)
    precondition((0..<layout.slotCount).contains(slot))
    precondition(output.count == layout.outputCount)
    for index in output.indices {
        if layout.format.isPlain {
            output[index] = layout.element(storage, slot: slot, output: index)
        } else {
            let block = Int(neurons.blockOfSlot[slot])
            let (scale, offset) = layout.scales(storage, block: block, output: index)
            let code = layout.code(storage, slot: slot, output: index)
            output[index] = WeightBlock.value(
                code: code, scale: scale, offset: offset, format: layout.format)
        }
    }
}

extension NeuronMajorLayout {
    /// An element of a plain format.
    func element(_ storage: RawSpan, slot: Int, output: Int) -> Float {
        // Tiles of a plain format follow each other without gaps.
        let width = format.bytesPerBlock
        let start = slot * slotByteCount + output * width
        return WeightDecoding.element(
            storage.extracting(start..<start + width), format: format, index: 0)
    }

    /// A code as stored: 0...15 for Q4_0, of which 8 is yet to be taken.
    func code(_ storage: RawSpan, slot: Int, output: Int) -> Int8 {
        let (tile, position) = output.quotientAndRemainder(dividingBy: Self.tileOutputCount)
        let start = slot * slotByteCount + tile * tileByteCount
        if format.codesAreBytes { return Int8(bitPattern: storage.byte(at: start + position)) }
        let (vector, lane) = position.quotientAndRemainder(dividingBy: 8)
        let word = storage.word(at: start + 4 * lane)
        return Int8(truncatingIfNeeded: word >> (4 * UInt32(vector)) & 15)
    }

    func scales(
        _ storage: RawSpan, block: Int, output: Int
    ) -> (scale: Float, offset: Float) {
        let (tile, position) = output.quotientAndRemainder(dividingBy: Self.tileOutputCount)
        let start = scaleOffset + block * blockByteCount + tile * tileScaleByteCount
        let scale = WeightDecoding.float(half: storage.half(at: start + 2 * position))
        guard format.hasOffsets else { return (scale, 0) }
        let offsets = start + 2 * Self.tileOutputCount
        return (scale, WeightDecoding.float(half: storage.half(at: offsets + 2 * position)))
    }
}
