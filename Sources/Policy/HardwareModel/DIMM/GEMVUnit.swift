package import Quantities
package import Topology

/// The matrix-vector unit in a DIMM's centre buffer: multipliers, a reduction tree and a buffer.
///
/// Rate only: the depth of the reduction tree adds a few cycles once per operation, which the
/// paper does not give and which is left out.
package struct GEMVUnit: Hashable, Sendable {
    package let clock: Frequency
    package let multiplierCount: Int
    /// FP16 values that one multiplier works on at a time: 128 bits hold 8.
    package let lanesPerMultiplier: Int
    /// Cycles in which every multiplier finishes one multiply-accumulate in each lane.
    package let cyclesPerGroup: Int
    /// Holds the vectors that are multiplied and the sums that are formed.
    package let bufferCapacity: ByteCount
    package let overlap: Topology.ReadMultiplyOverlap

    /// - Precondition: all counts are above zero.
    package init(
        clock: Frequency, multiplierCount: Int, lanesPerMultiplier: Int, cyclesPerGroup: Int,
        bufferCapacity: ByteCount, overlap: Topology.ReadMultiplyOverlap
    ) {
        precondition(multiplierCount > 0)
        precondition(lanesPerMultiplier > 0)
        precondition(cyclesPerGroup > 0)
        self.clock = clock
        self.multiplierCount = multiplierCount
        self.lanesPerMultiplier = lanesPerMultiplier
        self.cyclesPerGroup = cyclesPerGroup
        self.bufferCapacity = bufferCapacity
        self.overlap = overlap
    }

    package init(_ core: Topology.NDPCore) {
        self.init(
            clock: core.clock, multiplierCount: core.multiplierCount,
            lanesPerMultiplier: core.lanesPerMultiplier,
            cyclesPerGroup: core.cyclesPerMultiplyGroup, bufferCapacity: core.bufferCapacity,
            overlap: core.overlap)
    }

    /// Multiply-accumulates that are worked on together: one in each lane.
    package var macsPerGroup: UInt64 { UInt64(multiplierCount) * UInt64(lanesPerMultiplier) }

    /// Time to multiply and add.
    ///
    /// Equation: ⌈MACs / (multipliers x lanes)⌉ x cycles per group / clock, rounded up to 1 ps.
    ///
    /// - Source: arXiv 2502.16963, section IV (256 multipliers of 128 bits, bit-serial, 1 GHz);
    ///   for 25 cycles per group, 81.92 x 10⁹ MACs a second.
    package func multiplyDuration(macCount: UInt64) -> EmulatedDuration {
        let groupCount = macCount.dividedRoundingUp(by: macsPerGroup)
        return clock.duration(ofCycles: groupCount * UInt64(cyclesPerGroup))
    }

    /// How a batch's vectors are cut so that they fit the buffer.
    ///
    /// Equations: tiles = ⌈batch x V / B⌉, at most as many as a neuron has lines L. Beyond that,
    /// passes = ⌈batch / ⌊B x L / V⌋⌉; V bytes of one sequence, B the buffer. A tile is the same
    /// share of every vector and of every neuron, so each weight is read once a pass; that pieces
    /// of the vectors are loaded again for each group of neurons is left out.
    ///
    /// - Parameters:
    ///   - byteCountPerSequence: input vector and sums of one sequence, above zero.
    ///   - lineCountPerNeuron: above zero; no tile is smaller than a line.
    package func tiling(
        batchSize: Int, byteCountPerSequence: ByteCount, lineCountPerNeuron: Int
    ) throws(HardwareModelError) -> BatchTiling {
        precondition(batchSize > 0)
        precondition(byteCountPerSequence > .zero)
        precondition(lineCountPerNeuron > 0)
        let batch = UInt64(batchSize)
        let lines = UInt64(lineCountPerNeuron)
        let bytes = byteCountPerSequence.bytes
        let needed = batch * bytes
        if needed <= bufferCapacity.bytes * lines {
            let tiles = max(1, needed.dividedRoundingUp(by: bufferCapacity.bytes))
            return BatchTiling(tileCount: Int(tiles), passCount: 1)
        }
        let held = bufferCapacity.bytes * lines / bytes
        guard held > 0 else {
            throw .bufferTooSmall(
                needed: ByteCount(bytes.dividedRoundingUp(by: lines)), capacity: bufferCapacity)
        }
        return BatchTiling(
            tileCount: lineCountPerNeuron, passCount: batch.dividedRoundingUp(by: held))
    }

    /// Time of an operation that reads and multiplies, and which of the two decides it.
    ///
    /// Equation: max(read, multiply) with a double-buffered unit, else read + multiply.
    package func timing(
        read: EmulatedDuration, multiply: EmulatedDuration
    ) -> ReadMultiplyTiming {
        let total =
            switch overlap {
            case .maximum: max(read, multiply)
            case .sum: read + multiply
            }
        return ReadMultiplyTiming(read: read, multiply: multiply, total: total)
    }
}

/// How weights are read for a batch whose vectors must fit a buffer.
package struct BatchTiling: Hashable, Sendable {
    /// Equal parts of every neuron; a part of all neurons is read before the next part.
    package let tileCount: Int
    /// How often all of it happens, each time for other sequences of the batch.
    package let passCount: UInt64

    package init(tileCount: Int, passCount: UInt64) {
        precondition(tileCount > 0)
        precondition(passCount > 0)
        self.tileCount = tileCount
        self.passCount = passCount
    }
}

/// The parts of an operation that streams operands from DRAM through the multipliers.
package struct ReadMultiplyTiming: Hashable, Sendable {
    package let read: EmulatedDuration
    package let multiply: EmulatedDuration
    package let total: EmulatedDuration

    /// The longer part; reading when they are equal.
    package var bound: Bound { multiply > read ? .multiply : .read }

    package enum Bound: String, Sendable {
        case read
        case multiply
    }
}

extension UInt64 {
    /// - Precondition: `divisor` is above zero.
    func dividedRoundingUp(by divisor: UInt64) -> UInt64 {
        self / divisor + (self % divisor == 0 ? 0 : 1)
    }
}
