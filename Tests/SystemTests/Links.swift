import Glibc
import Messages
import SeededRandom

// Links that put something between a role and its peer. Each belongs to its role's thread.

/// Delays every message by a random time, so that threads meet in ever new orders.
final class DelayingLink: MessageLink {
    private let link: any MessageLink
    private var random: SplitMix64

    init(_ link: any MessageLink, seed: UInt64) {
        self.link = link
        random = SplitMix64(seed: seed)
    }

    var maximumMessageByteCount: Int { link.maximumMessageByteCount }

    /// Mostly not at all, at times for up to 400 µs.
    private func pause() {
        let draw = random.next()
        if draw % 4 == 0 { usleep(UInt32(draw >> 32) % 400) }
    }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        pause()
        try link.send(byteCount: byteCount, fill)
        pause()
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        pause()
        try link.receive(read)
        pause()
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        try link.tryReceive(read)
    }
}

/// Shows every message to `see` before it is received, which may change or refuse it.
final class InspectingLink: MessageLink {
    private let link: any MessageLink
    private let see: (inout [UInt8]) throws(LinkError) -> Void

    init(_ link: any MessageLink, see: @escaping (inout [UInt8]) throws(LinkError) -> Void) {
        self.link = link
        self.see = see
    }

    var maximumMessageByteCount: Int { link.maximumMessageByteCount }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try link.send(byteCount: byteCount, fill)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        var bytes: [UInt8] = []
        try link.receive { bytes = $0.copied }
        try see(&bytes)
        unsafe read(bytes.span.bytes)
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        var bytes: [UInt8] = []
        guard try link.tryReceive({ bytes = $0.copied }) else { return false }
        try see(&bytes)
        unsafe read(bytes.span.bytes)
        return true
    }
}

/// A peer without a thread: what is sent goes to `answer`, which says what comes back.
final class ScriptedLink: MessageLink {
    let maximumMessageByteCount = 1 << 20
    private var waiting: [[UInt8]]
    private let answer: ([UInt8]) -> [[UInt8]]
    private(set) var receivedCount = 0

    /// - Parameter waiting: messages that are there from the start.
    init(waiting: [[UInt8]] = [], answer: @escaping ([UInt8]) -> [[UInt8]] = { _ in [] }) {
        self.waiting = waiting.reversed()
        self.answer = answer
    }

    static let end = LinkError.peerGone("the script is over")

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        waiting.insert(contentsOf: answer(message(byteCount: byteCount, fill)).reversed(), at: 0)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard let bytes = waiting.popLast() else { throw Self.end }
        receivedCount += 1
        unsafe read(bytes.span.bytes)
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        if waiting.isEmpty { return false }
        try receive(read)
        return true
    }
}

/// The bytes of a message that `fill` writes.
func message(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    var elements = bytes.mutableSpan
    var span = unsafe elements.mutableBytes
    fill(&span)
    return bytes
}

/// A header with `payload` behind it.
func message(_ header: MessageHeader, _ payload: [UInt8] = []) -> [UInt8] {
    message(byteCount: MessageHeader.byteCount + payload.count) {
        header.encode(into: &$0)
        for (index, byte) in payload.enumerated() {
            $0.storeBytes(
                of: byte, toByteOffset: MessageHeader.byteCount + index, as: UInt8.self)
        }
    }
}

/// The header of a message that is known to have one.
func header(of bytes: [UInt8]) -> MessageHeader {
    do throws(LinkError) {
        return try unsafe MessageHeader(decoding: bytes.span.bytes)
    } catch {
        preconditionFailure("\(error)")
    }
}

extension RawSpan {
    /// A copy of all bytes.
    var copied: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}

/// Ways to spoil a message, drawn at random.
func spoil(_ bytes: inout [UInt8], with random: inout SplitMix64) {
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where !bytes.isEmpty:
        let bit = Int.random(in: 0..<8 * bytes.count, using: &random)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
    case 2: bytes += (0...Int.random(in: 0..<200, using: &random)).map { UInt8($0) }
    case 3:
        bytes = (0..<Int.random(in: 0..<600, using: &random)).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
    case 4:
        // Any kind at all, the rest as it was.
        set(UInt64(Int.random(in: 0...40, using: &random)), at: 0, byteCount: 2, in: &bytes)
    default:
        let fields = [(2, 2), (4, 4), (8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8)]
        let (offset, byteCount) = fields[Int.random(in: 0..<8, using: &random)]
        let extremes: [UInt64] = [0, 1, 2, 1 << 15, 1 << 31, .max, .max - 1, random.next()]
        set(
            extremes[Int.random(in: 0..<8, using: &random)], at: offset, byteCount: byteCount,
            in: &bytes)
    }
}

/// Writes the low bytes of `value`, as far as the message reaches.
func set(_ value: UInt64, at offset: Int, byteCount: Int, in bytes: inout [UInt8]) {
    for index in 0..<byteCount where offset + index < bytes.count {
        bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
}
