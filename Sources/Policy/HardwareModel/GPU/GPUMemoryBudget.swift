package import Quantities

/// What still fits the GPU's memory, as purposes claim their share one after the other.
package struct GPUMemoryBudget: Hashable, Sendable {
    package let capacity: ByteCount
    package private(set) var used = ByteCount.zero

    /// - Parameter capacity: memory that weights and buffers may fill.
    package init(capacity: ByteCount) { self.capacity = capacity }

    package var left: ByteCount { capacity - used }

    /// Sets `byteCount` aside.
    ///
    /// - Parameter purpose: named in the error when it does not fit.
    package mutating func claim(
        _ byteCount: ByteCount, for purpose: String
    ) throws(HardwareModelError) {
        guard byteCount <= left else {
            throw .gpuMemoryExceeded(purpose: purpose, needed: byteCount, left: left)
        }
        used += byteCount
    }

    /// How many of `neuronCount` neurons may be hot: what fits what is left, and at most `share`
    /// of them, rounded down.
    ///
    /// - Precondition: `neuronByteCount` is above zero.
    package func hotNeuronCount(
        of neuronCount: UInt64, neuronByteCount: ByteCount, share: Proportion
    ) -> UInt64 {
        precondition(neuronByteCount > .zero)
        return min(left.bytes / neuronByteCount.bytes, share.roundingDown(neuronCount))
    }
}
