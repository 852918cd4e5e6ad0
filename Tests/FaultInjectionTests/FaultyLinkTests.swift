import FaultInjection
import Messages
import Simulation
import Testing

/// When faults come: at the first message that is not before their point, once.
@Suite struct FaultyLinkTests {
    private final class Log {
        var entries: [String] = []
    }

    private static func header(
        _ kind: MessageKind, layer: Int = 0, position: Int, step: UInt64 = 1
    ) -> MessageHeader {
        MessageHeader(kind, layer: layer, position: position, step: step)
    }

    private static func send(
        _ header: MessageHeader, over link: any MessageLink
    ) throws(LinkError) {
        try link.send(byteCount: MessageHeader.byteCount) { header.encode(into: &$0) }
    }

    /// A worker's end with these faults, and the coordinator's plain one.
    private static func pair(
        _ faults: [Fault], _ log: Log
    ) -> (worker: FaultyLink, coordinator: InMemoryLink) {
        let (coordinator, end) = InMemoryLink.pair()
        let link = FaultyLink(end, end: .answer, faults: faults, firstPosition: 10) {
            log.entries.append("\($0.action.rawValue)")
        }
        return (link, coordinator)
    }

    @Test func `A request's fault comes before it is read, an answer's before it is sent`() throws {
        let log = Log()
        let point = Fault.Point(token: 1, layer: 0, step: .mlp)
        let (worker, coordinator) = Self.pair(
            [
                Fault(.kill, dimm: 0, point: point, side: .request),
                Fault(.corruptPayload, dimm: 0, point: point, side: .answer),
            ], log)
        for position in 10...12 {
            try Self.send(Self.header(.feedForward, position: position), over: coordinator)
            try worker.receive { _ in log.entries.append("read \(position)") }
            log.entries.append("answer \(position)")
            try Self.send(Self.header(.partialSum, position: position), over: worker)
        }
        #expect(
            log.entries == [
                "read 10", "answer 10", "kill", "read 11", "answer 11", "corrupt-payload",
                "read 12", "answer 12",
            ])
    }

    @Test func `A point that no message has is met at the next one`() throws {
        let log = Log()
        let (worker, coordinator) = Self.pair(
            [
                Fault(
                    .kill, dimm: 0, point: Fault.Point(token: 0, layer: 1, step: .attention),
                    side: .request)
            ], log)
        for (kind, layer) in [(MessageKind.projectQKV, 1), (.feedForward, 1)] {
            try Self.send(Self.header(kind, layer: layer, position: 10), over: coordinator)
            try worker.receive { _ in log.entries.append("\(kind)") }
        }
        #expect(log.entries == ["projectQKV", "kill", "feedForward"])
    }

    @Test func `What comes before the first token meets no fault`() throws {
        let log = Log()
        let point = Fault.Point(token: 0, layer: 0, step: .qkv)
        let (worker, coordinator) = Self.pair(
            [Fault(.kill, dimm: 0, point: point, side: .request)], log)
        for header in [
            Self.header(.storeKeysAndValues, position: 0), Self.header(.projectQKV, position: 9),
        ] {
            try Self.send(header, over: coordinator)
            try worker.receive { _ in }
        }
        #expect(log.entries.isEmpty)
    }

    @Test func `A coordinator's end spoils the request that has the point`() throws {
        let log = Log()
        let (end, worker) = InMemoryLink.pair()
        let point = Fault.Point(token: 0, layer: 2, step: .qkv)
        let coordinator = FaultyLink(
            end, end: .request,
            faults: [Fault(.corruptHeader, dimm: 0, point: point, side: .request)],
            firstPosition: 10
        ) { log.entries.append($0.action.rawValue) }
        for layer in 0...3 {
            try Self.send(
                Self.header(.projectQKV, layer: layer, position: 10), over: coordinator)
            try worker.receive { _ in log.entries.append("layer \(layer)") }
        }
        #expect(
            log.entries == ["layer 0", "layer 1", "corrupt-header", "layer 2", "layer 3"])
    }
}
