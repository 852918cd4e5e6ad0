// The only file of this module that holds raw pointers: queue pairs and registered memory.

internal import CRDMA
internal import ConnectionProtocol
internal import Glibc
internal import RDMAConnections
internal import SystemPackage

/// What queue pairs and memory belong to: keys of one are of no use in another.
@safe
private final class ProtectionDomain {
    let domain: UnsafeMutablePointer<ibv_pd>

    init(_ domain: UnsafeMutablePointer<ibv_pd>) { unsafe self.domain = domain }

    deinit { _ = unsafe ibv_dealloc_pd(domain) }
}

/// Memory that the device reads or writes by itself. Pages of its own, zero at first: where the
/// other side may write, nothing else lies.
@safe
final class RegisteredMemory {
    /// Who may do what.
    enum Access {
        /// The device reads it, for what is sent.
        case sending
        /// The device also writes what is received here.
        case receiving
        /// The other side writes into it, by itself.
        case remoteWriting

        var flags: UInt32 {
            switch self {
            case .sending: 0
            case .receiving: IBV_ACCESS_LOCAL_WRITE.rawValue
            case .remoteWriting: IBV_ACCESS_LOCAL_WRITE.rawValue | IBV_ACCESS_REMOTE_WRITE.rawValue
            }
        }
    }

    let content: FrameMemory
    private let region: UnsafeMutablePointer<ibv_mr>
    private let domain: ProtectionDomain

    private init(
        _ content: FrameMemory, _ region: UnsafeMutablePointer<ibv_mr>, _ domain: ProtectionDomain
    ) {
        self.content = content
        unsafe self.region = region
        self.domain = domain
    }

    deinit { _ = unsafe ibv_dereg_mr(region) }

    fileprivate static func create(
        byteCount: Int, _ access: Access, in domain: ProtectionDomain
    ) throws(ConnectionError) -> RegisteredMemory {
        let content = try FrameMemory.create(byteCount: byteCount)
        let start = unsafe UnsafeMutableRawPointer(bitPattern: content.address)
        let flags = Int32(access.flags)
        guard let region = unsafe shim_register(domain.domain, start, byteCount, flags) else {
            throw .system(
                step: "registering \(byteCount) bytes with the RDMA device "
                    + "(the limit of locked memory, ulimit -l, must allow them)", cause: .current)
        }
        return unsafe RegisteredMemory(content, region, domain)
    }

    /// What the other side must name to write here.
    var remoteKey: UInt32 { unsafe region.pointee.rkey }
    fileprivate var localKey: UInt32 { unsafe region.pointee.lkey }
    var address: UInt64 { UInt64(content.address) }
}

/// A part of our memory to be sent, and where it goes.
struct Transfer {
    let memory: RegisteredMemory
    var offset = 0
    var byteCount = 0
    /// In the other side's memory.
    var remoteAddress: UInt64 = 0
    var remoteKey: UInt32 = 0
    var notice: Notice?
    var isMessage = false
    var isSignalled = false

    fileprivate var shim: shim_transfer {
        shim_transfer(
            address: memory.address + UInt64(offset),
            byte_count: UInt32(byteCount), local_key: memory.localKey,
            remote_address: remoteAddress, remote_key: remoteKey,
            immediate: notice?.immediate ?? 0, has_immediate: notice == nil ? 0 : 1,
            is_message: isMessage ? 1 : 0, is_signalled: isSignalled ? 1 : 0)
    }
}

/// Something that the device has done.
enum Completion {
    /// A transfer that was to be signalled is over, and so are all before it.
    case sent
    /// The other side has ended a write and says what it was.
    case notice(UInt32)
    /// A message of the handshake has come.
    case message
    case failed(TransferStatus)
}

/// Why a transfer, or a place for one, is over without having done its work.
enum TransferStatus {
    /// The queue pair was ended before.
    case flushed
    /// The other side's device confirmed nothing, however often it was asked.
    case unanswered
    /// The other side's device let nobody write there.
    case refused(String)
    case other(String)

    fileprivate init(_ status: ibv_wc_status) {
        let text = unsafe ibv_wc_status_str(status).map { unsafe String(cString: $0) }
        switch status {
        case IBV_WC_WR_FLUSH_ERR: self = .flushed
        case IBV_WC_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR: self = .unanswered
        case IBV_WC_REM_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR, IBV_WC_REM_OP_ERR:
            self = .refused(text ?? "")
        default: self = .other(text ?? "")
        }
    }
}

/// A reliable connected queue pair with one queue of completions, which can be slept for.
///
/// Its protection domain is its own: keys of its memory are of no use on another connection.
@safe
final class QueuePair {
    /// Transfers that may be under way.
    static let sendDepth = 128
    /// Places for frames, and some for credits, the close and the handshake: of credits, which tell
    /// of a quarter of the window each, never more than eight are on their way.
    static let receiveDepth = RingGeometry.frameLimit + 32

    private let identifier: ManagerIdentifier
    private let domain: ProtectionDomain
    private let channel: UnsafeMutablePointer<ibv_comp_channel>
    private let queue: UnsafeMutablePointer<ibv_cq>
    private let pair: UnsafeMutablePointer<ibv_qp>
    private var eventCount: UInt32 = 0

    private init(
        _ identifier: ManagerIdentifier, _ domain: ProtectionDomain,
        _ channel: UnsafeMutablePointer<ibv_comp_channel>, _ queue: UnsafeMutablePointer<ibv_cq>,
        _ pair: UnsafeMutablePointer<ibv_qp>
    ) {
        self.identifier = identifier
        self.domain = domain
        unsafe self.channel = channel
        unsafe self.queue = queue
        unsafe self.pair = pair
    }

    deinit {
        identifier.destroyPair()
        unsafe ibv_ack_cq_events(queue, eventCount)
        _ = unsafe ibv_destroy_cq(queue)
        _ = unsafe ibv_destroy_comp_channel(channel)
    }

    /// Makes the pair of an identifier whose device is known.
    static func create(on identifier: ManagerIdentifier) throws(ConnectionError) -> QueuePair {
        guard let device = unsafe identifier.device else {
            throw .system(step: "finding the RDMA device", cause: .noSuchAddressOrDevice)
        }
        guard let allocated = unsafe ibv_alloc_pd(device) else {
            throw .system(step: "making a protection domain", cause: .current)
        }
        let domain = unsafe ProtectionDomain(allocated)
        guard let channel = unsafe ibv_create_comp_channel(device) else {
            throw .system(step: "making a completion channel", cause: .current)
        }
        _ = unsafe fcntl(channel.pointee.fd, F_SETFL, O_NONBLOCK)
        let depth = Int32(sendDepth + receiveDepth)
        guard let queue = unsafe ibv_create_cq(device, depth, nil, channel, 0) else {
            let cause = Errno.current
            _ = unsafe ibv_destroy_comp_channel(channel)
            throw .system(step: "making a queue of \(depth) completions", cause: cause)
        }
        var wish = unsafe ibv_qp_init_attr()
        unsafe wish.send_cq = queue
        unsafe wish.recv_cq = queue
        unsafe wish.qp_type = IBV_QPT_RC
        unsafe wish.cap = ibv_qp_cap(
            max_send_wr: UInt32(sendDepth), max_recv_wr: UInt32(receiveDepth), max_send_sge: 1,
            max_recv_sge: 1, max_inline_data: 0)
        guard let pair = unsafe identifier.makePair(in: domain.domain, &wish) else {
            let cause = Errno.current
            _ = unsafe ibv_destroy_cq(queue)
            _ = unsafe ibv_destroy_comp_channel(channel)
            throw .system(step: "making a queue pair", cause: cause)
        }
        return unsafe QueuePair(identifier, domain, channel, queue, pair)
    }

    func register(
        byteCount: Int, _ access: RegisteredMemory.Access
    ) throws(ConnectionError) -> RegisteredMemory {
        try .create(byteCount: byteCount, access, in: domain)
    }

    /// Hands transfers to the device, in this order.
    func post(_ first: Transfer, _ second: Transfer? = nil) throws(Errno) {
        var start = first.shim
        let status: Int32
        if var next = second?.shim {
            status = unsafe shim_post_transfers(pair, &start, &next)
        } else {
            status = unsafe shim_post_transfers(pair, &start, nil)
        }
        guard status == 0 else { throw Errno(rawValue: abs(status)) }
    }

    /// Gives the device a place for the next message.
    func postReceive(
        into memory: RegisteredMemory, at offset: Int, byteCount: Int
    ) throws(ConnectionError) {
        precondition(offset + byteCount <= memory.content.byteCount)
        let status = unsafe shim_post_receive(
            pair, memory.address + UInt64(offset), UInt32(byteCount), memory.localKey)
        guard status == 0 else {
            throw .system(step: "waiting for a message", cause: Errno(rawValue: abs(status)))
        }
    }

    /// Gives the device a place for one more notice.
    func postNoticePlace() throws(Errno) {
        let status = unsafe shim_post_receive(pair, 0, 0, 0)
        guard status == 0 else { throw Errno(rawValue: abs(status)) }
    }

    /// The oldest completion that nobody has taken.
    func poll() -> Completion? {
        var found = shim_completion()
        let count = unsafe shim_poll(queue, &found)
        guard count != 0 else { return nil }
        guard count > 0 else { return .failed(.other("its queue cannot be read")) }
        let status = ibv_wc_status(UInt32(bitPattern: found.status))
        guard status == IBV_WC_SUCCESS else { return .failed(TransferStatus(status)) }
        guard found.is_receive != 0 else { return .sent }
        return found.has_immediate != 0
            ? .notice(found.immediate) : .message
    }

    /// Lets the next completion end a sleep.
    func arm() { _ = unsafe ibv_req_notify_cq(queue, 0) }

    /// Readable once a completion has come since ``arm()``.
    var descriptor: Int32 { unsafe channel.pointee.fd }

    /// Takes what made the descriptor readable.
    ///
    /// - Returns: whether anything had: then ``arm()`` is needed again.
    func disarm() -> Bool {
        var queue: UnsafeMutablePointer<ibv_cq>?
        var context: UnsafeMutableRawPointer?
        var hasFound = false
        while unsafe ibv_get_cq_event(channel, &queue, &context) == 0 {
            // The library counts in 32 bits, too.
            eventCount &+= 1
            hasFound = true
        }
        return hasFound
    }
}
