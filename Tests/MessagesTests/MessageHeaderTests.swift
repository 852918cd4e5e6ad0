import Messages
import SeededRandom
import Testing

/// The fixed part of every message.
@Suite struct MessageHeaderTests {
    static let kinds = (UInt16.min...UInt16.max).compactMap(MessageKind.init(rawValue:))

    private func encoded(_ header: MessageHeader) -> Message {
        Message(byteCount: MessageHeader.byteCount) { header.encode(into: &$0) }
    }

    @Test func `The kinds are the twenty-eight that the protocol has`() {
        #expect(Self.kinds.map(\.rawValue) == Array(1...18) + Array(33...41) + [65])
    }

    @Test func `Fields lie at their bytes, little-endian`() {
        var header = MessageHeader(
            .attend, layer: 0x0201, position: 0x0605_0403, count: 0x0A09_0807,
            auxiliary: 0x0E0D_0C0B, step: 0x1615_1413_1211_100F)
        header.time = 0x1E1D_1C1B_1A19_1817
        header.delivery = 0x2625_2423_2221_201F
        #expect(encoded(header).bytes == [4, 0] + Array(1...0x26))
    }

    @Test(arguments: kinds)
    func `What was written is read again, at the extremes and in between`(
        kind: MessageKind
    ) throws {
        var random = SplitMix64(seed: UInt64(kind.rawValue))
        for round in 0..<200 {
            let limits = [0, Int(UInt32.max)]
            func field() -> Int { round < 2 ? limits[round] : Int(random.next() >> 32) }
            var header = MessageHeader(
                kind, layer: field() & 0xFFFF, position: field(), count: field(),
                auxiliary: field(), step: round == 1 ? .max : random.next())
            header.time = random.next()
            header.delivery = random.next()
            let decoded = try encoded(header).read { (bytes) throws(LinkError) in
                try MessageHeader(decoding: bytes)
            }
            guard decoded == header else {
                Issue.record("\(header) came back as \(decoded)")
                return
            }
        }
    }

    @Test func `What follows a header is left alone`() throws {
        let header = MessageHeader(.fault, count: 3, step: 9)
        let message = Message(byteCount: 48) { header.encode(into: &$0) }
        #expect(message.bytes[40...] == [UInt8](repeating: 0xA5, count: 8)[...])
        let decoded = try message.read { (bytes) throws(LinkError) in
            try MessageHeader(decoding: bytes)
        }
        #expect(decoded == header)
    }

    @Test(arguments: 0..<MessageHeader.byteCount)
    func `A message shorter than a header is refused with its size`(byteCount: Int) {
        let message = Message(
            Array(encoded(MessageHeader(.ready, step: 1)).bytes.prefix(byteCount)))
        expectCorrupt("message of \(byteCount) bytes") { () throws(LinkError) in
            try message.read { (bytes) throws(LinkError) in try MessageHeader(decoding: bytes) }
        }
    }

    @Test func `Every other number of a kind is refused by number`() {
        let known = Set(Self.kinds.map(\.rawValue))
        var message = encoded(MessageHeader(.ready, step: 1))
        for number in UInt16.min...UInt16.max where !known.contains(number) {
            message.bytes[0] = UInt8(number & 0xFF)
            message.bytes[1] = UInt8(number >> 8)
            let refusal = refusal(of: message)
            if refusal != .peerCorrupt("message kind \(number) is unknown") {
                Issue.record("kind \(number) gave \(String(describing: refusal))")
                return
            }
        }
    }

    private func refusal(of message: Message) -> LinkError? {
        do throws(LinkError) {
            _ = try message.read { (bytes) throws(LinkError) in
                try MessageHeader(decoding: bytes)
            }
            return nil
        } catch {
            return error
        }
    }

    @Test func `Fields that do not fit their bytes trap when they are set`() async {
        await #expect(processExitsWith: .failure) {
            _ = MessageHeader(.attend, layer: 65_536, step: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = MessageHeader(.attend, position: -1, step: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = MessageHeader(.attend, count: 1 << 32, step: 0)
        }
    }

    @Test func `Errors say who did what`() {
        #expect("\(LinkError.peerGone("closed"))" == "peer is gone: closed")
        #expect("\(LinkError.peerCorrupt("x"))" == "peer broke the protocol: x")
        #expect("\(LinkError.interrupted(signal: 15))" == "interrupted by signal 15")
        #expect("\(LinkError.system("mmap: denied"))" == "mmap: denied")
    }
}
