// The only file of this module that holds raw pointers: typed access to the fields and records of
// a mapped segment. A view stays valid while its `SharedMapping` lives; `RingLink` owns both.

import CLinuxShims
import Glibc
import LinkRecords
import MappedMemory
import Synchronization

/// A 64-bit counter that one process writes and another reads.
@safe
struct SharedCounter {
    private let address: UnsafeMutablePointer<Atomic<UInt64>>

    init(in mapping: borrowing SharedMapping, at offset: Int) {
        precondition(MemoryLayout<Atomic<UInt64>>.size == 8, "the bare bytes that the peer sees")
        precondition(offset.isMultiple(of: 8))
        unsafe address = mapping.address(atByteOffset: offset, byteCount: 8)
            .assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    func loadRelaxed() -> UInt64 { unsafe address.pointee.load(ordering: .relaxed) }
    func loadAcquiring() -> UInt64 { unsafe address.pointee.load(ordering: .acquiring) }
    func storeRelaxed(_ value: UInt64) { unsafe address.pointee.store(value, ordering: .relaxed) }
    func storeReleasing(_ value: UInt64) {
        unsafe address.pointee.store(value, ordering: .releasing)
    }
}

/// A 32-bit word that processes share and the kernel can wait on.
@safe
struct SharedWord {
    private let address: UnsafeMutablePointer<Atomic<UInt32>>

    init(in mapping: borrowing SharedMapping, at offset: Int) {
        precondition(MemoryLayout<Atomic<UInt32>>.size == 4, "the bare bytes that the peer sees")
        precondition(offset.isMultiple(of: 4))
        unsafe address = mapping.address(atByteOffset: offset, byteCount: 4)
            .assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    func loadRelaxed() -> UInt32 { unsafe address.pointee.load(ordering: .relaxed) }
    func loadAcquiring() -> UInt32 { unsafe address.pointee.load(ordering: .acquiring) }
    func storeRelaxed(_ value: UInt32) { unsafe address.pointee.store(value, ordering: .relaxed) }
    func storeReleasing(_ value: UInt32) {
        unsafe address.pointee.store(value, ordering: .releasing)
    }

    /// Replaces `expected` by `value`; otherwise changes nothing and tells what was found.
    func replace(_ expected: UInt32, by value: UInt32) -> (isReplaced: Bool, found: UInt32) {
        let (exchanged, original) = unsafe address.pointee.compareExchange(
            expected: expected, desired: value, ordering: .acquiringAndReleasing)
        return (exchanged, original)
    }

    /// Adds one, wrapping, as a release.
    func increment() { unsafe address.pointee.wrappingAdd(1, ordering: .releasing) }

    /// Sleeps while the word is `expected`, at most `slice`.
    ///
    /// - Returns: 0 when woken, else errno: EAGAIN (another value), EINTR, ETIMEDOUT.
    func sleep(whileEqualTo expected: UInt32, atMost slice: Duration) -> Int32 {
        let (seconds, attoseconds) = slice.components
        var timeout = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        return unsafe address.withMemoryRebound(to: UInt32.self, capacity: 1) { word in
            unsafe shim_futex_wait(word, expected, &timeout) == 0 ? 0 : errno
        }
    }

    /// Wakes one sleeper on the word, if there is one.
    func wakeOne() {
        unsafe address.withMemoryRebound(to: UInt32.self, capacity: 1) { word in
            _ = unsafe shim_futex_wake(word, 1)
        }
    }
}

/// The ring's bytes that hold records.
@safe
struct SharedRecords {
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(in mapping: borrowing SharedMapping, at offset: Int, byteCount: Int) {
        precondition(offset.isMultiple(of: RingLayout.recordAlignment))
        unsafe base = mapping.address(atByteOffset: offset, byteCount: byteCount)
        self.byteCount = byteCount
    }

    /// Copies a header out once: what is checked afterwards is the copy. Relaxed atomics forbid
    /// the compiler to read the shared bytes a second time.
    func header(at offset: Int) -> RecordHeader {
        let words = unsafe headerWords(at: offset)
        return unsafe RecordHeader(
            words: words[0].load(ordering: .relaxed), words[1].load(ordering: .relaxed))
    }

    func setHeader(_ header: RecordHeader, at offset: Int) {
        let (first, second) = header.words
        let words = unsafe headerWords(at: offset)
        unsafe words[0].store(first, ordering: .relaxed)
        unsafe words[1].store(second, ordering: .relaxed)
    }

    /// The checksum of a header and the first `summedByteCount` bytes of the payload behind it. The
    /// peer may write meanwhile.
    @inline(__always)
    func checksum(
        of header: RecordHeader, summedByteCount: Int, at offset: Int
    ) -> UInt32 {
        var result: UInt32 = 0
        withPayload(
            at: offset + RingLayout.recordHeaderByteCount, byteCount: summedByteCount
        ) { result = RecordChecksum.of($0, header: header.summedWord) }
        return result
    }

    /// Turns one bit over, as a fault in memory would; bits count from `offset`.
    func flip(bit: Int, from offset: Int) {
        let index = offset + bit / 8
        precondition(index >= 0 && index < byteCount)
        let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
        unsafe base.storeBytes(of: byte ^ 1 << UInt8(bit % 8), toByteOffset: index, as: UInt8.self)
    }

    /// Reads a payload in place.
    func withPayload(at offset: Int, byteCount: Int, _ body: (RawSpan) -> Void) {
        precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount - byteCount)
        unsafe body(RawSpan(_unsafeStart: base + offset, byteCount: byteCount))
    }

    /// Writes a payload in place.
    func withMutablePayload(
        at offset: Int, byteCount: Int, _ body: (inout MutableRawSpan) -> Void
    ) {
        precondition(offset >= 0 && byteCount >= 0 && offset <= self.byteCount - byteCount)
        var span = unsafe MutableRawSpan(_unsafeStart: base + offset, byteCount: byteCount)
        body(&span)
    }

    @unsafe
    private func headerWords(at offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        precondition(offset >= 0 && offset <= byteCount - RingLayout.recordHeaderByteCount)
        return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
    }
}

/// Everything that one direction's producer and consumer touch.
struct RingView {
    let direction: RingDirection
    let capacity: Int
    let hasChecksums: Bool
    let head: SharedCounter
    let tail: SharedCounter
    let dataDoorbell: Doorbell
    let roomDoorbell: Doorbell
    let records: SharedRecords

    init(_ direction: RingDirection, in mapping: borrowing SharedMapping, layout: RingLayout) {
        let control = layout.controlOffset(of: direction)
        self.direction = direction
        capacity = layout.capacity
        hasChecksums = layout.hasChecksums
        head = SharedCounter(in: mapping, at: control + RingLayout.headOffset)
        tail = SharedCounter(in: mapping, at: control + RingLayout.tailOffset)
        dataDoorbell = Doorbell(in: mapping, at: control + RingLayout.dataDoorbellOffset)
        roomDoorbell = Doorbell(in: mapping, at: control + RingLayout.roomDoorbellOffset)
        records = SharedRecords(
            in: mapping, at: layout.recordsOffset(of: direction), byteCount: layout.capacity)
    }
}
