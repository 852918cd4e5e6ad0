import ArgumentParser
import ConnectionProtocol
import LinkRecords
import Messages
import RDMATransport
import SocketTransport

/// `benchmarks link`: two hosts, or two processes of one, over a transport that connects.
struct LinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link",
        abstract: "Round trips and one-way throughput by size, over TCP or RDMA.",
        discussion: """
            Start one process with --listen, which measures, and then another with --connect, \
            which answers; both with the same --secret-file, of mode 600.
            """)

    enum Carrier: String, ExpressibleByArgument, CaseIterable { case tcp, rdma }

    @Option(help: "What carries the messages: tcp or rdma.")
    var transport: Carrier

    @Option(help: "HOST:PORT at which this process waits for the other, and measures.")
    var listen: String?

    @Option(help: "HOST:PORT at which the other waits.")
    var connect: String?

    @Option(help: "What both processes know.")
    var secretFile: String

    @Option(parsing: .upToNextOption, help: "Message sizes, bytes.")
    var sizes = [64, 4096, 65536, 1_048_576]

    @Option(help: "Round trips of each size, at most 256 MB of them; a tenth more are not counted.")
    var rounds = 1000

    @Option(help: "Samples of each throughput; the median is reported.")
    var samples = 7

    @Flag(help: "Spin before sleeping, for processes that have a core each.")
    var spin = false

    func validate() throws {
        guard (listen == nil) != (connect == nil) else {
            throw ValidationError("give --listen or --connect")
        }
        guard sizes.allSatisfy({ $0 >= 32 && $0 <= 1 << 26 }), rounds > 0, samples > 0 else {
            throw ValidationError("sizes lie between 32 bytes and 64 MiB; counts are at least 1")
        }
    }

    func run() throws {
        let secret = try SharedSecret.load(path: secretFile)
        if let connect {
            return try LinkAnswers(link: reachPeer(ConnectionAddress(connect), secret)).run()
        }
        print(Machine.description)
        let link = try waitForPeer(ConnectionAddress(listen ?? ""), secret)
        defer { link.close() }
        print(
            "\(transport.rawValue) to \(link.peerHostName ?? "?"), "
                + (spin ? "spinning" : "sleeping"))
        for byteCount in sizes {
            let count = max(10, min(rounds, (256 << 20) / byteCount))
            let measurement = LinkMeasurement(link: link, byteCount: byteCount, count: count)
            let times = try measurement.roundTrips()
            let rates = try (0..<samples).map { _ in try measurement.throughput() }.sorted()
            let median = rates[rates.count / 2]
            print(
                row("\(byteCount) B"), "round trip us", times.description, "",
                "one way MB/s \(fixed(median / 1e6, 2))",
                "[\(fixed(rates[0] / 1e6, 2)), \(fixed(rates[rates.count - 1] / 1e6, 2))]")
        }
    }

    // MARK: The two ends

    /// Both ends of a measurement are of one start: the secret alone tells strangers.
    private static let session = LinkSession(high: 0, low: 0)

    private var policy: WaitPolicy { spin ? .spinning : .sleeping }

    private func reachPeer(
        _ address: ConnectionAddress, _ secret: SharedSecret
    ) throws -> any RemoteLink {
        switch transport {
        case .tcp:
            SocketLink(
                adopting: try SocketConnection.connect(
                    to: address, dimm: 0, session: Self.session, epoch: 0, secret: secret),
                waitPolicy: policy
            ) {}
        case .rdma:
            RDMALink(
                adopting: try RDMAConnection.connect(
                    to: address, dimm: 0, session: Self.session, epoch: 0, secret: secret),
                waitPolicy: policy
            ) {}
        }
    }

    private func waitForPeer(
        _ address: ConnectionAddress, _ secret: SharedSecret
    ) throws -> any RemoteLink {
        let largest = (sizes.max() ?? 0) + 64
        // Four of the largest messages, so that the next is written while others are on their way.
        let terms = LinkTerms(
            dimm: 0, session: Self.session, epoch: 0,
            capacity: max(1 << 16, (4 * largest + 4095) / 4096 * 4096))
        let listener: any ConnectionListener =
            switch transport {
            case .tcp: try SocketListener.open(at: address)
            case .rdma: try RDMAListener.open(at: address)
            }
        let found = try listener.link(
            expecting: [terms], secret: secret, atMost: .seconds(60), waitPolicy: policy
        ) { _ in { () throws(LinkError) in } }
        guard let found else { throw Self.nobodyCame }
        return found.link
    }

    private static let nobodyCame = BenchmarkError.noResult("nobody connected within a minute")
}

/// What the measuring end asks for: the first message of each part.
private struct LinkPart {
    /// Whether each message is sent back; otherwise the sum of all, once.
    let isEcho: Bool
    let byteCount: Int
    let count: Int

    func send(over link: any MessageLink) throws(LinkError) {
        try link.send(byteCount: 24) { message in
            message.storeBytes(of: isEcho ? 1 : 0, toByteOffset: 0, as: Int.self)
            message.storeBytes(of: byteCount, toByteOffset: 8, as: Int.self)
            message.storeBytes(of: count, toByteOffset: 16, as: Int.self)
        }
    }

    static func receive(over link: any MessageLink) throws(LinkError) -> LinkPart {
        try link.receiveValue { message throws(LinkError) in
            guard message.byteCount == 24 else {
                throw .peerCorrupt("a part is asked for in 24 bytes, not \(message.byteCount)")
            }
            return LinkPart(
                isEcho: unsafe message.unsafeLoadUnaligned(as: Int.self) == 1,
                byteCount: unsafe message.unsafeLoadUnaligned(fromByteOffset: 8, as: Int.self),
                count: unsafe message.unsafeLoadUnaligned(fromByteOffset: 16, as: Int.self))
        }
    }
}

/// The end that measures; each part checks its result.
private struct LinkMeasurement {
    let link: any RemoteLink
    let byteCount: Int
    let count: Int

    private var warmCount: Int { max(1, count / 10) }

    func roundTrips() throws -> Times {
        let total = warmCount + count
        try LinkPart(isEcho: true, byteCount: byteCount, count: total).send(over: link)
        var times = Times()
        for number in 0..<UInt64(total) {
            let before = monotonicNanoseconds()
            try link.send(byteCount: byteCount) { $0.storeBytes(of: number, as: UInt64.self) }
            var answer = UInt64.max
            try link.receive { answer = unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
            guard answer == number else {
                throw BenchmarkError.wrongResult("sent \(number), got \(answer) back")
            }
            if number >= warmCount {
                times.record(nanoseconds: monotonicNanoseconds() - before)
            }
        }
        return times
    }

    /// Bytes of messages per second, up to the other end's answer to the last.
    func throughput() throws -> Double {
        try LinkPart(isEcho: false, byteCount: byteCount, count: count).send(over: link)
        var expected = Checksum()
        let start = monotonicNanoseconds()
        for number in 0..<count {
            let last = UInt8(truncatingIfNeeded: number)
            try link.send(byteCount: byteCount) { message in
                message.storeBytes(of: UInt64(number), as: UInt64.self)
                message.storeBytes(of: last, toByteOffset: byteCount - 1, as: UInt8.self)
            }
            expected.add(first: UInt64(number), last: last)
        }
        var found: UInt64 = 0
        try link.receive { found = unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        guard found == expected.value else {
            throw BenchmarkError.wrongResult("messages were lost or reordered")
        }
        return Double(count * byteCount) / seconds
    }
}

/// The end that answers.
private struct LinkAnswers {
    let link: any RemoteLink

    func run() throws {
        do throws(LinkError) {
            while true { try answer(LinkPart.receive(over: link)) }
        } catch .peerGone("closed") {
            // The measurement is over.
        }
        link.close()
        link.linger(upTo: .seconds(5))
    }

    private func answer(_ part: LinkPart) throws(LinkError) {
        let scratch = MessageBuffer(byteCount: max(8, part.byteCount))
        var sum = Checksum()
        for _ in 0..<part.count {
            guard part.isEcho else {
                try link.receive { sum.add($0) }
                continue
            }
            try link.receive { scratch.copy(from: $0) }
            try link.send(byteCount: part.byteCount) { scratch.copy(to: &$0) }
        }
        guard !part.isEcho else { return }
        try link.send(byteCount: 8) { $0.storeBytes(of: sum.value, as: UInt64.self) }
    }
}
