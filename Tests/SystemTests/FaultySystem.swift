import Coordinator
import DIMMWorker
import Messages
import Pacing
import SeededRandom
import Simulation
import Synchronization
import Topology
import Transformer

/// How often something happens to a message, one in so many; 0 for never.
struct FaultRates: Sendable {
    /// The worker is gone before it works on a request, or before it has sent the answer.
    var death: UInt64 = 0
    /// The message does not come as it was sent, on either side.
    var damage: UInt64 = 0
    /// Neurons on their way between DIMMs do not come as they were sent.
    var peerDamage: UInt64 = 0
    /// Leaves alone what comes before a worker serves and after.
    var sparesSetUp = false
}

/// A ``SimulatedSystem`` whose workers die and whose messages are damaged, all by one seed, and
/// whose coordinator gets new workers.
///
/// A class of the coordinator's thread. Workers die on their own threads: their links close.
final class FaultySystem: WorkerRecovery {
    private let model: DecoderModel
    private let plan: RunPlan
    private let rates: FaultRates
    private let seed: UInt64
    private let restartLimit: Int
    /// Ends of links on their way to workers that run already.
    private let registry = Registry()
    private var ends: [InMemoryLink?]
    private var threads: [SideThread<Void>] = []
    private var incarnations: [UInt64]
    private(set) var restartCount = 0
    private(set) var finishCount = 0
    /// Called before a worker is replaced; refuses with what it returns.
    var refusal: (Int) -> String? = { _ in nil }

    init(
        _ model: DecoderModel, _ plan: RunPlan, _ rates: FaultRates, seed: UInt64,
        restartLimit: Int = 10_000
    ) {
        self.model = model
        self.plan = plan
        self.rates = rates
        self.seed = seed
        self.restartLimit = restartLimit
        ends = Array(repeating: nil, count: plan.dimmCount)
        incarnations = Array(repeating: 0, count: plan.dimmCount)
    }

    func run() throws -> RunOutcome {
        var peers = Array(repeating: [(Int, InMemoryLink)](), count: plan.dimmCount)
        for pair in plan.moving?.topology.dimmLinks?.pairs ?? [] {
            let (lower, upper) = pairOfLinks()
            peers[pair.lower].append((pair.upper, lower))
            peers[pair.upper].append((pair.lower, upper))
        }
        let links = (0..<plan.dimmCount).map { start(dimm: $0, peers: peers[$0]) }
        let outcome = Result {
            try SimulatedSystem.coordinate(model, plan, links, recovery: self)
        }
        for end in ends { end?.close() }
        // Those that died say so; nobody asks.
        for thread in threads { _ = Result { try thread.join() } }
        return try outcome.get()
    }

    private func pairOfLinks() -> (InMemoryLink, InMemoryLink) {
        InMemoryLink.pair(maximumMessageByteCount: plan.maximumMessageByteCount)
    }

    /// A worker on a thread of its own; returns the coordinator's end of the link.
    private func start(dimm: Int, peers: [(Int, InMemoryLink)]) -> any MessageLink {
        let (own, other) = pairOfLinks()
        ends[dimm] = own
        let (model, rates, registry) = (model, rates, registry)
        let seed = seed &+ 1000 * UInt64(dimm) &+ 100_000 * incarnations[dimm]
        let worker = Handed(link: other, peers: peers)
        threads.append(
            SideThread {
                defer { worker.link.close() }
                let links = worker.peers.map { peer, link -> (Int, any MessageLink) in
                    (peer, DamagingLink(link, oneIn: rates.peerDamage, seed: seed &+ UInt64(peer)))
                }
                var worker = try DIMMWorker.attach(
                    to: MortalLink(
                        DamagingLink(
                            worker.link, oneIn: rates.damage, seed: seed,
                            sparesSetUp: rates.sparesSetUp),
                        oneIn: rates.death, seed: seed, dying: worker.link.close),
                    peers: WorkerPeers(links: Dictionary(uniqueKeysWithValues: links)) {
                        (peer, address) throws(LinkError) in
                        guard let link = registry.take(address) else {
                            throw .peerCorrupt("no link at \(address)")
                        }
                        return DamagingLink(
                            link, oneIn: rates.peerDamage, seed: seed &+ UInt64(peer))
                    }, model: model, probe: SizeProbe(dimm: dimm), pacing: .none)
                try worker.serve()
            })
        return DamagingLink(
            own, oneIn: rates.damage, seed: seed &+ 50, sparesSetUp: rates.sparesSetUp)
    }

    // MARK: Recovery

    func replaceWorker(
        ofDIMM dimm: Int, after failure: LinkError, owed: MessageHeader?
    ) throws(RecoveryRefusal) -> WorkerReplacement {
        if let reason = refusal(dimm) { throw RecoveryRefusal(reason) }
        guard restartCount < restartLimit else { throw RecoveryRefusal("all are used up") }
        restartCount += 1
        ends[dimm]?.close()
        incarnations[dimm] += 1
        var peers: [(Int, InMemoryLink)] = []
        var notices: [(dimm: Int, text: String)] = []
        for pair in plan.moving?.topology.dimmLinks?.pairs ?? [] {
            guard pair.lower == dimm || pair.upper == dimm else { continue }
            let other = pair.lower == dimm ? pair.upper : pair.lower
            let (own, others) = pairOfLinks()
            peers.append((other, own))
            notices.append((other, registry.put(others)))
        }
        return WorkerReplacement(link: start(dimm: dimm, peers: peers), notices: notices)
    }

    func accept(_ facts: WorkerFacts, ofDIMM dimm: Int) throws(RecoveryRefusal) {
        guard facts.node == UInt64(dimm) else { throw RecoveryRefusal("another DIMM's worker") }
    }

    func finish(dimm: Int) { finishCount += 1 }
}

/// Ends on their way to a worker's thread, which alone uses them from then on.
private struct Handed: @unchecked Sendable {
    let link: InMemoryLink
    let peers: [(Int, InMemoryLink)]
}

/// Links by what they are called. Each is taken once, by the thread that will own it.
private final class Registry: @unchecked Sendable {
    private let links = Mutex<[String: Handed]>([:])

    func put(_ link: InMemoryLink) -> String {
        let handed = Handed(link: link, peers: [])
        return links.withLock {
            let name = "link \($0.count)"
            $0[name] = handed
            return name
        }
    }

    func take(_ name: String) -> InMemoryLink? { links.withLock { $0[name] }?.link }
}

/// Loses messages as a checksum would: they come, and are not as they were sent.
private final class DamagingLink: MessageLink {
    private let link: any MessageLink
    private let rate: UInt64
    private let sparesSetUp: Bool
    private var random: SplitMix64

    init(
        _ link: any MessageLink, oneIn rate: UInt64, seed: UInt64, sparesSetUp: Bool = false
    ) {
        self.link = link
        self.rate = rate
        self.sparesSetUp = sparesSetUp
        random = SplitMix64(seed: seed)
    }

    var maximumMessageByteCount: Int { link.maximumMessageByteCount }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try link.send(byteCount: byteCount, fill)
    }

    private func isSpared(_ message: RawSpan) -> Bool {
        guard sparesSetUp, let header = try? MessageHeader(decoding: message) else { return false }
        return [.configure, .setHomes, .setActivityRule, .ready, .farewell].contains(header.kind)
    }

    private var isNextDamaged: Bool { rate > 0 && random.next() % rate == 0 }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard isNextDamaged else { return try link.receive(read) }
        var isRead = false
        try link.receive { message in
            isRead = isSpared(message)
            if isRead { read(message) }
        }
        if !isRead { throw .damaged("on purpose") }
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        guard isNextDamaged else { return try link.tryReceive(read) }
        if try link.tryReceive({ _ in }) { throw .damaged("on purpose") }
        return false
    }
}

/// A worker's link that ends with it, once: before a request is worked on, or before its answer is
/// sent.
private final class MortalLink: MessageLink {
    private let link: any MessageLink
    private let rate: UInt64
    private let dying: () -> Void
    private var random: SplitMix64

    init(_ link: any MessageLink, oneIn rate: UInt64, seed: UInt64, dying: @escaping () -> Void) {
        self.link = link
        self.rate = rate
        self.dying = dying
        random = SplitMix64(seed: seed &+ 7)
    }

    var maximumMessageByteCount: Int { link.maximumMessageByteCount }

    private func dieIfDue() throws(LinkError) {
        guard rate > 0, random.next() % rate == 0 else { return }
        dying()
        throw .peerGone("this worker is dead")
    }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try dieIfDue()
        try link.send(byteCount: byteCount, fill)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        try dieIfDue()
        try link.receive(read)
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        try link.tryReceive(read)
    }
}
