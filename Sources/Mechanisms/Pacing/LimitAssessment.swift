package import Quantities

/// What one machine's cores can move through shared limiters, measured, nothing assumed.
package struct MachineRates: Hashable, Sendable {
    /// Copying large messages on one core.
    package var copyRate: Bandwidth
    /// Copying large messages on all processors at once, in total.
    package var totalCopyRate: Bandwidth
    /// One sharer's limiter, per message.
    package var messageNanoseconds: UInt64
    /// The same when several sharers fight for the link's word: one message of any of them.
    package var contendedMessageNanoseconds: UInt64
    /// Processors that the sharers may run on.
    package var processorCount: Int

    /// - Precondition: all above zero.
    package init(
        copyRate: Bandwidth, totalCopyRate: Bandwidth, messageNanoseconds: UInt64,
        contendedMessageNanoseconds: UInt64, processorCount: Int
    ) {
        precondition(messageNanoseconds > 0)
        precondition(contendedMessageNanoseconds > 0)
        precondition(processorCount > 0)
        self.copyRate = copyRate
        self.totalCopyRate = totalCopyRate
        self.messageNanoseconds = messageNanoseconds
        self.contendedMessageNanoseconds = contendedMessageNanoseconds
        self.processorCount = processorCount
    }
}

/// Whether a machine can hold a link at its cap in wall time: a cap that the machine itself does
/// not reach is a cap in name only.
///
/// One sharer needs, per message, its copy and its limiter's work. Sharers work side by side, one
/// per processor, but for the link's word, which serves one of them at a time, and for the
/// memory, whose total rate they share. Of the least of the three, ``reserve`` is left for wake-ups
/// and for making arrears good: a stream that could only just keep up never recovers.
package struct LimitAssessment: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        /// The cap holds at the dilation asked about.
        case holdable
        /// It holds from this dilation on, the smallest, in thousandths rounded up.
        case dilated(by: Dilation, reason: String)
        /// It does not hold, and the dilation may not change or would exceed its maximum.
        case refused(reason: String)
    }

    /// Which dilations are open.
    package enum DilationChoice: Hashable, Sendable {
        case fixed(Dilation)
        /// Any, but at least this one.
        case atLeast(Dilation)
    }

    /// The share of what the machine can move that is kept back.
    package static let reserve = Proportion(millionths: 200_000)

    package let verdict: Verdict
    /// What the machine can move at most, as wall bytes per second, the reserve included.
    package let capacity: Bandwidth

    /// - Precondition: `message` and `sharerCount` above zero.
    package init(
        cap: Bandwidth, message: ByteCount, sharerCount: Int, machine: MachineRates,
        dilation: DilationChoice
    ) {
        precondition(message > .zero)
        precondition(sharerCount > 0)
        let (capacity, bound) = Self.capacity(
            message: message, sharerCount: sharerCount, machine: machine)
        self.capacity = capacity
        let share = Proportion(millionths: Proportion.scale - Self.reserve.millionths)
        let usable = capacity.scaled(by: share)
        let needed = Self.smallestDilation(cap: cap, usable: usable)
        let reason =
            "\(bound) limits \(sharerCount) x \(message) to \(capacity), of which"
            + " \(usable) may be planned with"
        switch dilation {
        case .fixed(let fixed):
            let holds = needed.map { $0 <= fixed } ?? false
            verdict =
                holds ? .holdable : .refused(reason: "\(cap) at dilation \(fixed): \(reason)")
        case .atLeast(let least):
            if let needed {
                verdict =
                    needed <= least
                    ? .holdable : .dilated(by: needed, reason: "\(cap): \(reason)")
            } else {
                verdict = .refused(reason: "\(cap) at any dilation: \(reason)")
            }
        }
    }

    private static func capacity(
        message: ByteCount, sharerCount: Int, machine: MachineRates
    ) -> (Bandwidth, bound: String) {
        let isShared = sharerCount > 1
        let limiter =
            isShared ? machine.contendedMessageNanoseconds : machine.messageNanoseconds
        // Picoseconds; a message of 64 bits of bytes clamps and is then merely slow.
        let copy = machine.copyRate.checkedDuration(of: message)?.picoseconds ?? .max
        let each = UInt128(limiter) * 1_000 + UInt128(copy)
        let parallel = UInt128(min(sharerCount, machine.processorCount))
        let bytes = UInt128(message.bytes) * UInt128(EmulatedDuration.picosecondsPerSecond)
        var least = (bytes / each * parallel, bound: "copying and pacing each message")
        let serial = bytes / (UInt128(limiter) * 1_000)
        if isShared, serial < least.0 { least = (serial, "the word that sharers share") }
        let total = UInt128(machine.totalCopyRate.bytesPerSecond)
        if total < least.0 { least = (total, "the memory's copy rate") }
        let rate = UInt64(clamping: max(1, least.0))
        return (Bandwidth(bytesPerSecond: rate), least.bound)
    }

    /// `cap ÷ usable` in thousandths, rounded up; nil beyond ``Dilation/maximum``.
    private static func smallestDilation(cap: Bandwidth, usable: Bandwidth) -> Dilation? {
        let rate = UInt128(usable.bytesPerSecond)
        let thousandths = (UInt128(cap.bytesPerSecond) * 1_000 + rate - 1) / rate
        guard thousandths <= UInt128(Dilation.maximum.thousandths) else { return nil }
        return Dilation(thousandths: UInt64(thousandths))
    }
}
