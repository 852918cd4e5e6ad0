// librdmacm and the list of devices; raw pointers that other modules get belong to the objects of
// this one.

package import CRDMA
package import ConnectionProtocol
internal import Glibc
package import SystemPackage

/// What this machine has of RDMA.
package enum RDMADevices {
    /// Whether there is a device at all.
    package static var arePresent: Bool {
        var count: Int32 = 0
        guard let list = unsafe ibv_get_device_list(&count) else { return false }
        unsafe ibv_free_device_list(list)
        return count > 0
    }

    /// The first of this machine's IPv4 numbers that belongs to a device: where other processes
    /// reach it.
    package static var address: String? {
        guard arePresent else { return nil }
        return ownNumbers().first { number in
            guard let place = try? resolve(ConnectionAddress(host: number, port: 0)).first,
                let identifier = try? ManagerIdentifier.create(on: .open())
            else { return false }
            guard (try? identifier.bind(to: place)) != nil else { return false }
            return unsafe identifier.device != nil
        }
    }

    private static func ownNumbers() -> [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var numbers: [String] = []
        var entry = unsafe list
        while let current = unsafe entry {
            if let place = unsafe current.pointee.ifa_addr,
                unsafe place.pointee.sa_family == sa_family_t(AF_INET)
            {
                var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
                let status = unsafe getnameinfo(
                    place, socklen_t(MemoryLayout<sockaddr_in>.size), &text, socklen_t(text.count),
                    nil, 0, NI_NUMERICHOST)
                if status == 0 {
                    numbers.append(
                        String(
                            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
                            as: UTF8.self))
                }
            }
            unsafe entry = current.pointee.ifa_next
        }
        return numbers
    }
}

/// Something that happened to a connection.
package struct ManagerEvent {
    package enum Kind {
        case addressResolved, routeResolved, established
        /// Somebody wants to connect.
        case request(ManagerIdentifier)
        case addressFailed, routeFailed, unreachable, rejected
        case disconnected
        /// Nothing that we need to know.
        case other
    }

    package let kind: Kind
    /// A negative errno, or a reason of InfiniBand's connection manager.
    package let status: Int32
    /// What the other side has sent along.
    package let privateData: [UInt8]
}

/// Where events of identifiers are read.
@safe
package final class EventChannel {
    fileprivate let channel: UnsafeMutablePointer<rdma_event_channel>

    private init(_ channel: UnsafeMutablePointer<rdma_event_channel>) {
        unsafe self.channel = channel
    }

    deinit { unsafe rdma_destroy_event_channel(channel) }

    package static func open() throws(ConnectionError) -> EventChannel {
        // Without a device the library would say so on standard error.
        guard RDMADevices.arePresent else { throw .noDevice }
        guard let channel = unsafe rdma_create_event_channel() else {
            throw .system(step: "reaching the RDMA connection manager", cause: .current)
        }
        _ = unsafe fcntl(channel.pointee.fd, F_SETFL, O_NONBLOCK)
        return unsafe EventChannel(channel)
    }

    package var descriptor: Int32 { unsafe channel.pointee.fd }

    /// The oldest event that nobody has taken.
    package func next() throws(ConnectionError) -> ManagerEvent? {
        var found: UnsafeMutablePointer<rdma_cm_event>?
        guard unsafe rdma_get_cm_event(channel, &found) == 0, let event = unsafe found else {
            switch Errno.current {
            case .wouldBlock, .resourceTemporarilyUnavailable, .interrupted: return nil
            case let cause: throw .system(step: "reading of connections", cause: cause)
            }
        }
        defer { _ = unsafe rdma_ack_cm_event(event) }
        let kind = unsafe kind(of: event.pointee)
        var data: [UInt8] = []
        switch kind {
        case .request, .established, .rejected:
            if let start = unsafe shim_private_data(event) {
                unsafe data = Array(
                    UnsafeBufferPointer(start: start, count: Int(shim_private_byte_count(event))))
            }
        default: break
        }
        return ManagerEvent(kind: kind, status: unsafe event.pointee.status, privateData: data)
    }

    private func kind(of event: rdma_cm_event) -> ManagerEvent.Kind {
        switch unsafe event.event {
        case RDMA_CM_EVENT_ADDR_RESOLVED: return .addressResolved
        case RDMA_CM_EVENT_ADDR_ERROR: return .addressFailed
        case RDMA_CM_EVENT_ROUTE_RESOLVED: return .routeResolved
        case RDMA_CM_EVENT_ROUTE_ERROR: return .routeFailed
        case RDMA_CM_EVENT_ESTABLISHED: return .established
        case RDMA_CM_EVENT_UNREACHABLE, RDMA_CM_EVENT_CONNECT_ERROR: return .unreachable
        case RDMA_CM_EVENT_REJECTED: return .rejected
        case RDMA_CM_EVENT_DISCONNECTED, RDMA_CM_EVENT_DEVICE_REMOVAL: return .disconnected
        case RDMA_CM_EVENT_CONNECT_REQUEST:
            guard let identifier = unsafe event.id else { return .other }
            return .request(unsafe ManagerIdentifier(identifier, self))
        default: return .other
        }
    }
}

/// What librdmacm knows a connection, or a place where some are waited for, by.
@safe
package final class ManagerIdentifier {
    private let identifier: UnsafeMutablePointer<rdma_cm_id>
    package private(set) var channel: EventChannel

    /// How long the device waits for an acknowledgement before it sends again, six times:
    /// 4.096 µs times 2 to this power, about a second.
    private static let acknowledgeTimeout: UInt8 = 18

    fileprivate init(_ identifier: UnsafeMutablePointer<rdma_cm_id>, _ channel: EventChannel) {
        unsafe self.identifier = identifier
        self.channel = channel
    }

    deinit { _ = unsafe rdma_destroy_id(identifier) }

    package static func create(on channel: EventChannel) throws(ConnectionError)
        -> ManagerIdentifier
    {
        var found: UnsafeMutablePointer<rdma_cm_id>?
        guard unsafe rdma_create_id(channel.channel, &found, nil, RDMA_PS_TCP) == 0,
            let identifier = unsafe found
        else { throw .system(step: "making a connection", cause: .current) }
        return unsafe ManagerIdentifier(identifier, channel)
    }

    /// `nil` until an address is bound or resolved.
    package var device: UnsafeMutablePointer<ibv_context>? { unsafe identifier.pointee.verbs }

    package func bind(to place: KernelAddress) throws(Errno) {
        let status = unsafe place.with { address, _ in
            unsafe rdma_bind_addr(identifier, UnsafeMutablePointer(mutating: address))
        }
        guard status == 0 else { throw .current }
    }

    package func listen() throws(Errno) {
        guard unsafe rdma_listen(identifier, 128) == 0 else { throw .current }
    }

    package var port: UInt16 { UInt16(bigEndian: unsafe rdma_get_src_port(identifier)) }

    package func resolve(_ place: KernelAddress, within limit: Duration) throws(Errno) {
        setAcknowledgeTimeout()
        let status = unsafe place.with { address, _ in
            unsafe rdma_resolve_addr(
                identifier, nil, UnsafeMutablePointer(mutating: address), milliseconds(limit))
        }
        guard status == 0 else { throw .current }
    }

    package func resolveRoute(within limit: Duration) throws(Errno) {
        guard unsafe rdma_resolve_route(identifier, milliseconds(limit)) == 0 else {
            throw .current
        }
    }

    /// Its events come to a channel of its own from here on.
    package func migrate(to channel: EventChannel) throws(Errno) {
        guard unsafe rdma_migrate_id(identifier, channel.channel) == 0 else { throw .current }
        self.channel = channel
        setAcknowledgeTimeout()
    }

    private func setAcknowledgeTimeout() {
        var value = Self.acknowledgeTimeout
        // Where a kernel does not know the option, its own time stays.
        _ = unsafe rdma_set_option(
            identifier, Int32(RDMA_OPTION_ID), Int32(RDMA_OPTION_ID_ACK_TIMEOUT), &value, 1)
    }

    package func makePair(
        in domain: UnsafeMutablePointer<ibv_pd>, _ wish: inout ibv_qp_init_attr
    ) -> UnsafeMutablePointer<ibv_qp>? {
        guard unsafe rdma_create_qp(identifier, domain, &wish) == 0 else { return nil }
        return unsafe identifier.pointee.qp
    }

    package func destroyPair() { unsafe rdma_destroy_qp(identifier) }

    package func connect(_ privateData: [UInt8]) throws(Errno) {
        let status = unsafe with(privateData) { unsafe rdma_connect(identifier, &$0) }
        guard status == 0 else { throw .current }
    }

    package func accept(_ privateData: [UInt8]) throws(Errno) {
        let status = unsafe with(privateData) { unsafe rdma_accept(identifier, &$0) }
        guard status == 0 else { throw .current }
    }

    package func reject(_ privateData: [UInt8]) {
        _ = unsafe rdma_reject(identifier, privateData, UInt8(privateData.count))
    }

    package func disconnect() { _ = unsafe rdma_disconnect(identifier) }

    private func with(
        _ privateData: [UInt8], _ body: (inout rdma_conn_param) -> Int32
    ) -> Int32 {
        unsafe privateData.withUnsafeBytes { bytes in
            // Neither side reads the other's memory. rdma_rxe takes seven for "for ever".
            var wish = unsafe rdma_conn_param(
                private_data: bytes.baseAddress, private_data_len: UInt8(bytes.count),
                responder_resources: 0, initiator_depth: 0, flow_control: 0, retry_count: 6,
                rnr_retry_count: 6, srq: 0, qp_num: 0)
            return unsafe body(&wish)
        }
    }
}

/// Sleeps until one of the descriptors is readable, at most `limit`.
///
/// - Returns: whether one is.
package func waitForEither(_ first: Int32, _ second: Int32, atMost limit: Duration) -> Bool {
    var entries: [2 of pollfd] = [
        pollfd(fd: first, events: Int16(POLLIN), revents: 0),
        pollfd(fd: second, events: Int16(POLLIN), revents: 0),
    ]
    var span = entries.mutableSpan
    return unsafe span.withUnsafeMutableBufferPointer {
        unsafe poll($0.baseAddress, 2, max(0, milliseconds(limit)))
    } > 0
}

extension EventChannel {
    /// Waits for the next event, at most `limit`.
    package func wait(atMost limit: Duration, _ step: String) throws(ConnectionError)
        -> ManagerEvent
    {
        let deadline = ContinuousClock.now + limit
        while true {
            if let event = try next() { return event }
            let rest = ContinuousClock.now.duration(to: deadline)
            guard rest > .zero else { throw .timedOut(step: step) }
            _ = waitForEither(descriptor, descriptor, atMost: rest)
        }
    }
}
