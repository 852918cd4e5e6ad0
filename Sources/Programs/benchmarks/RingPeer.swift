import ArgumentParser
import CLinuxShims
import Glibc
import LinkRecords
import Messages
import RingTransport
import SystemPackage

/// How messages cross between two processes.
enum Transport: String, CaseIterable, ExpressibleByArgument {
    case ring
    case pipe
    case socket
}

/// What the second process does with messages.
enum PeerRole: String, ExpressibleByArgument {
    /// Receives `--count` messages, then sends their checksum.
    case sink
    /// Computes for `--work` microseconds and sends each message back.
    case echo
}

/// The second process of a measurement; not for people.
struct RingPeerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "peer", shouldDisplay: false)

    @Option var transport: Transport
    @Option var role: PeerRole
    @Option var byteCount: Int
    @Option var count = 0
    @Option var work = 0
    @Option var processor: Int?
    @Option var session = ""
    @Option var spins: Int
    @Option var yields: Int

    func run() throws {
        // Dies with the measuring process, however that ends.
        _ = shim_set_parent_death_signal(SIGKILL)
        if let processor { try bindToProcessor(processor) }
        let link = try makeLink()
        do throws(LinkError) {
            switch role {
            case .sink: try sink(link)
            case .echo: try echo(link)
            }
        } catch .peerGone {
            // The measurement is over.
        }
    }

    private func makeLink() throws -> any MessageLink {
        let first = FileDescriptor(rawValue: PeerProcess.firstDescriptor)
        switch transport {
        case .ring:
            guard let session = LinkSession(session) else {
                throw ValidationError("--session is not 32 hexadecimal digits")
            }
            return try RingLink.workerEnd(
                try RingSegment.adopt(first, session: session),
                waitPolicy: WaitPolicy(spinIterations: spins, yieldCount: yields), watch: {})
        case .pipe:
            let second = FileDescriptor(rawValue: PeerProcess.firstDescriptor + 1)
            return DescriptorLink(input: first, output: second, messageByteCount: byteCount)
        case .socket:
            return DescriptorLink(input: first, output: first, messageByteCount: byteCount)
        }
    }

    private func sink(_ link: any MessageLink) throws(LinkError) {
        var checksum = Checksum()
        for _ in 0..<count { try link.receive { checksum.add($0) } }
        // The verdict has the size of a message, for transports that know only one size.
        try link.send(byteCount: max(byteCount, 8)) { message in
            message.storeBytes(of: checksum.value, as: UInt64.self)
        }
        while true { try link.receive { _ in } }  // until the other side closes
    }

    private func echo(_ link: any MessageLink) throws(LinkError) {
        let scratch = MessageBuffer(byteCount: byteCount)
        while true {
            try link.receive { scratch.copy(from: $0) }
            if work > 0 { compute(forMicroseconds: work) }
            try link.send(byteCount: byteCount) { scratch.copy(to: &$0) }
        }
    }

    /// Keeps the processor busy for `microseconds` of this thread's own time, so that waiting for
    /// the processor does not count as work.
    private func compute(forMicroseconds microseconds: Int) {
        let end = threadNanoseconds() + UInt64(microseconds) * 1000
        while threadNanoseconds() < end { shim_cpu_pause() }
    }

    private func threadNanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Order-sensitive digest of the first word of each message (which the measuring side numbers)
/// and of its last byte; cheap enough to leave the transport's speed visible.
struct Checksum {
    private(set) var value: UInt64 = 0

    @inline(__always)
    mutating func add(_ message: RawSpan) {
        add(
            first: unsafe message.unsafeLoadUnaligned(as: UInt64.self),
            last: unsafe message.unsafeLoad(
                fromByteOffset: message.byteCount - 1, as: UInt8.self))
    }

    @inline(__always)
    mutating func add(first: UInt64, last: UInt8) {
        value = (value &* 31 &+ first) &* 31 &+ UInt64(last)
    }
}
