import ConnectionProtocol
import Glibc
import LinkRecords
import Messages
import Simulation
import SocketTransport
import Testing

/// A listening coordinator, and workers that connect to it.
final class SocketFixture {
    let secret = SharedSecret.random()
    let listener: SocketListener
    let session = LinkSession.random()

    init() throws {
        listener = try SocketListener.open(at: ConnectionAddress(host: "127.0.0.1", port: 0))
    }

    func terms(dimm: Int = 0, epoch: UInt32 = 0, capacity: Int = 1 << 15) -> LinkTerms {
        LinkTerms(dimm: dimm, session: session, epoch: epoch, capacity: capacity)
    }

    /// A worker of these terms connects; what it is told.
    func connecting(
        _ terms: LinkTerms, session: LinkSession? = nil, secret: SharedSecret? = nil
    ) -> SideThread<LinkTerms> {
        let (secret, session) = (secret ?? self.secret, session ?? self.session)
        return SideThread { [address = listener.address] in
            try SocketConnection.connect(
                to: address, dimm: terms.dimm, session: session, epoch: terms.epoch,
                secret: secret
            ).terms
        }
    }

    /// What the coordinator and whoever comes next agree on; nil when nobody comes.
    func accepted(
        expecting terms: [LinkTerms], within limit: Duration = .seconds(5)
    ) throws -> LinkTerms? {
        let connection = try listener.accept(expecting: terms, secret: secret, atMost: limit)
        switch connection {
        case .some(let connection): return connection.terms
        case .none: return nil
        }
    }

    /// What the coordinator finds wrong with whoever comes next; nil when it is taken.
    func refusal(expecting terms: [LinkTerms]) -> ConnectionError? {
        do throws(ConnectionError) {
            _ = try listener.accept(expecting: terms, secret: secret, atMost: .seconds(5))
            return nil
        } catch {
            return error
        }
    }
}

/// A client that speaks no protocol of ours.
final class Stranger {
    private let descriptor: Int32

    init(at address: ConnectionAddress) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = address.port.bigEndian
        place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = unsafe withUnsafeBytes(of: &place) { raw in
            guard let base = raw.baseAddress else { return Int32(-1) }
            return unsafe connect(
                descriptor, base.assumingMemoryBound(to: sockaddr.self),
                socklen_t(raw.count))
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    func say(_ bytes: [UInt8]) { _ = unsafe send(descriptor, bytes, bytes.count, 0) }

    /// As many bytes as the other side has said, at most `count`.
    func hear(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let found = unsafe recv(descriptor, &bytes, count, Int32(MSG_DONTWAIT))
        return Array(bytes.prefix(max(0, found)))
    }
}
