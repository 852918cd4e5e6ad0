import HardwareModel
import Quantities

/// One layer, or the head, of one pass over a model: weights that arrive, then kernels.
struct PassUnit {
    let transfer: EmulatedDuration
    let compute: BlockTimes
}

/// A pass over all layers and the head; layers are alike.
struct Pass {
    let layer: PassUnit
    let layerCount: Int
    let head: PassUnit
}

/// FlexGen's order: while a unit is computed the next one arrives, into the next pass as well.
///
/// A step takes max(compute, next transfer). Of a step, its kernels count as what they are, and
/// what the transfer takes beyond them as communication.
///
/// - Source: Sheng et al., "FlexGen", ICML 2023, algorithm 1, one batch in flight.
struct OverlappedStream {
    private(set) var elapsed: TimeBreakdown

    /// - Parameter filling: the transfer of the very first unit, which nothing hides.
    init(filling: EmulatedDuration) {
        elapsed = TimeBreakdown()
        elapsed.communication = filling
    }

    /// - Parameter next: the first transfer of the pass to come; zero after the last one.
    mutating func run(_ pass: Pass, next: EmulatedDuration) {
        step(pass.layer.compute, nextTransfer: pass.layer.transfer, count: pass.layerCount - 1)
        step(pass.layer.compute, nextTransfer: pass.head.transfer)
        step(pass.head.compute, nextTransfer: next)
    }

    private mutating func step(
        _ compute: BlockTimes, nextTransfer: EmulatedDuration, count: Int = 1
    ) {
        elapsed.add(compute, count: count)
        let total = compute.total
        if nextTransfer > total {
            elapsed.communication += (nextTransfer - total) * UInt64(count)
        }
    }
}

/// Accelerate's order: a unit's hook copies its weights, then the unit computes, then the next.
struct SerialStream {
    private(set) var elapsed = TimeBreakdown()

    /// - Parameter residentLayerCount: layers whose weights need not come.
    mutating func run(_ pass: Pass, residentLayerCount: Int) {
        elapsed.add(pass.layer.compute, count: pass.layerCount)
        elapsed.add(pass.head.compute)
        let streamed = UInt64(pass.layerCount - residentLayerCount)
        elapsed.communication += pass.layer.transfer * streamed + pass.head.transfer
    }
}
