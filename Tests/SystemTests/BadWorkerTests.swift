import Coordinator
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import SeededRandom
import Simulation
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Workers that die, give up or answer garbage: the coordinator says which DIMM, and goes on
/// standing.
@Suite struct BadWorkerTests {
    /// One way to break an answer that must be noticed.
    enum Damage: CaseIterable, Sendable {
        case emptied, cutInHeader, cutByOneByte, longerByEightBytes, unknownKind, requestKind
        case otherReplyKind, laterStep, otherLayer, absurdCount, noCount, absurdActivity

        func apply(to bytes: inout [UInt8]) {
            switch self {
            case .emptied: bytes = []
            case .cutInHeader: bytes.removeLast(bytes.count - 31)
            case .cutByOneByte: bytes.removeLast()
            case .longerByEightBytes: bytes += [UInt8](repeating: 0, count: 8)
            case .unknownKind: set(99, at: 0, byteCount: 2, in: &bytes)
            case .requestKind: set(3, at: 0, byteCount: 2, in: &bytes)
            case .otherReplyKind:
                let number = MessageKind.attentionContext.rawValue
                set(UInt64(bytes[0] == number ? 33 : number), at: 0, byteCount: 2, in: &bytes)
            case .laterStep: bytes[16] += 1
            case .otherLayer: bytes[2] += 1
            case .absurdCount: set(.max, at: 8, byteCount: 4, in: &bytes)
            case .noCount: set(0, at: 8, byteCount: 4, in: &bytes)
            case .absurdActivity: set(.max, at: 12, byteCount: 4, in: &bytes)
            }
        }

        /// Facts have no count, and only partial sums tell an activity.
        func concerns(_ kind: MessageKind) -> Bool {
            switch self {
            case .absurdCount, .noCount: kind == .partialSum || kind == .attentionContext
            case .absurdActivity: kind == .partialSum
            default: true
            }
        }
    }

    private static func model() throws -> DecoderModel {
        try TinyLlama.builder(format: .q8_0).model()
    }

    /// Runs three DIMMs; the first answer of `kind` from DIMM 1 is changed.
    private func run(
        _ kind: MessageKind, topology: Topology? = nil,
        _ change: @escaping @Sendable (inout [UInt8]) throws(LinkError) -> Void
    ) throws -> CoordinatorError? {
        let wrapping = LinkWrapping(coordinatorEnd: { dimm, link in
            guard dimm == 1 else { return link }
            var isChanged = false
            return InspectingLink(link) { (bytes: inout [UInt8]) throws(LinkError) in
                guard !isChanged, header(of: bytes).kind == kind else { return }
                isChanged = true
                try change(&bytes)
            }
        })
        do {
            _ = try SimulatedSystem.run(
                Self.model(), RunPlan(dimmCount: 3, tokenCount: 2, topology: topology), wrapping)
            return nil
        } catch let error as CoordinatorError {
            return error
        }
    }

    @Test(arguments: [.ready, .partialSum, .attentionContext, .farewell] as [MessageKind])
    func `A broken answer of any kind is refused in the name of its DIMM`(
        kind: MessageKind
    ) throws {
        #expect(try run(kind) { _ in } == nil, "an unchanged answer is no error")
        for damage in Damage.allCases where damage.concerns(kind) {
            let error = try run(kind) { damage.apply(to: &$0) }
            guard case .link(dimm: 1, .peerCorrupt(let text))? = error else {
                Issue.record("\(damage) of \(kind): \(String(describing: error))")
                continue
            }
            #expect(!text.isEmpty)
            #expect("\(try #require(error))".hasPrefix("worker of DIMM 1: peer broke the protocol"))
        }
    }

    @Test(arguments: [.ready, .partialSum, .attentionContext, .farewell] as [MessageKind])
    func `A fault in place of any answer is handed on with its code and words`(
        kind: MessageKind
    ) throws {
        let words = "no memory for the shard \u{2013} 12 bytes short"
        let error = try run(kind) { bytes in
            bytes = message(MessageHeader(.fault, auxiliary: 69, step: 0), Array(words.utf8))
        }
        guard case .fault(dimm: 1, code: 69, let text)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text == words)
        #expect("\(try #require(error))" == "worker of DIMM 1: \(words)")
    }

    @Test(arguments: [LinkError.interrupted(signal: 15), .system("futex: EPERM")])
    func `What a link reports is handed on as it is`(failure: LinkError) throws {
        let error = try run(.partialSum) { (_: inout [UInt8]) throws(LinkError) in throw failure }
        guard case .link(dimm: 1, let cause)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause == failure)
    }

    /// The set of the active slots comes last in a partial sum.
    @Test(arguments: [0, UInt64.max])
    func `Active neurons other than were counted, or past the last, are refused`(
        word: UInt64
    ) throws {
        let error = try run(.partialSum) {
            set(word, at: $0.count - 8, byteCount: 8, in: &$0)
        }
        guard case .link(dimm: 1, .peerCorrupt(let text))? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(
            text.contains(word == 0 ? "active neurons that are not as counted" : "a bit set names"))
    }

    /// Bytes 24...31 tell when the reply was ready, the first 8 behind the header (40) how long it
    /// took.
    @Test(arguments: [(24, 0), (40, UInt64.max), (40, 1 << 40)] as [(Int, UInt64)])
    func `A reply from before its request, or of more work than time, is refused`(
        offset: Int, picoseconds: UInt64
    ) throws {
        let topology = try Topology.small(dimmCount: 3)
        for kind: MessageKind in [.partialSum, .attentionContext] {
            #expect(try run(kind, topology: topology) { _ in } == nil)
            let error = try run(kind, topology: topology) {
                set(picoseconds, at: offset, byteCount: 8, in: &$0)
            }
            guard case .link(dimm: 1, .peerCorrupt(let text))? = error else {
                Issue.record("\(kind): \(String(describing: error))")
                continue
            }
            #expect(text.contains("before its work could be done"))
        }
    }

    /// After so many messages the worker is gone: while it loads, in the prefill, in any step.
    @Test(arguments: 1...24)
    func `A worker that dies is missed at once, whenever it dies`(messageCount: Int) throws {
        let wrapping = LinkWrapping(workerEnd: { dimm, link in
            guard dimm == 2 else { return link }
            var count = 0
            return InspectingLink(link) { (_: inout [UInt8]) throws(LinkError) in
                count += 1
                if count == messageCount { throw .interrupted(signal: 9) }
            }
        })
        do {
            _ = try SimulatedSystem.run(
                Self.model(), RunPlan(dimmCount: 3, tokenCount: 9), wrapping)
            Issue.record("nobody missed the worker")
        } catch CoordinatorError.link(dimm: 2, .peerGone) {
        }
    }

    @Test func `The last words of a worker that left are found when sending to it fails`() throws {
        let model = try Self.model()
        let (own, other) = InMemoryLink.pair()
        let plan = RunPlan(dimmCount: 1)
        var coordinator = Coordinator(model: model, links: [own], options: plan.options)
        try coordinator.configureWorkers()
        for bytes in [
            message(
                MessageHeader(.ready, step: 0),
                [UInt8](repeating: 0, count: WorkerFacts.byteCount)),
            message(MessageHeader(.fault, auxiliary: 70, step: 0), Array("gave up".utf8)),
        ] {
            try other.send(byteCount: bytes.count) {
                unsafe $0.store(bytes: bytes.span.bytes, at: 0)
            }
        }
        other.close()
        #expect(try coordinator.awaitWorkers().count == 1)
        var prefill = ReferenceTransformer(
            model: model, contextCapacity: 4, rule: nil, threadCount: 1)
        _ = prefill.forward([1, 2], at: 0, isDense: true)
        do throws(CoordinatorError) {
            try coordinator.adopt(prefill: prefill)
            try coordinator.deliver(prefill: prefill, tokenCount: 2)
            Issue.record("the worker is gone")
        } catch .fault(dimm: 0, code: 70, let text) {
            #expect(text == "gave up")
        } catch {
            Issue.record("\(error)")
        }
    }

    // MARK: Garbage of any kind

    /// A worker's answers by their form alone: right lengths, zeros for numbers.
    private static func answer(
        to request: [UInt8], _ shape: DecoderShape, isSparse: Bool
    ) -> [[UInt8]] {
        let asked = header(of: request)
        var reply = asked
        let facts = [UInt8](repeating: 0, count: WorkerFacts.byteCount)
        switch asked.kind {
        case .configure: return [message(MessageHeader(.ready, step: 0), facts)]
        case .shutDown: return [message(MessageHeader(.farewell, step: asked.step), facts)]
        case .attend:
            reply.kind = .attentionContext
            let byteCount = WorkReport.byteCount + 4 * asked.count * shape.groupWidth
            return [message(reply, [UInt8](repeating: 0, count: byteCount))]
        case .projectQKV, .feedForward:
            reply.kind = .partialSum
            reply.count = asked.kind == .feedForward ? shape.hiddenSize : shape.qkvWidth
            let sums = [UInt8](
                repeating: 0, count: WorkReport.byteCount + reply.count * (isSparse ? 8 : 4))
            let slots = request[MessageHeader.byteCount..<request.count - 4 * shape.hiddenSize]
            reply.auxiliary = slots.reduce(0) { $0 + $1.nonzeroBitCount }
            return [message(reply, sums + slots)]
        default: return []
        }
    }

    @Test(arguments: [false, true], [false, true])
    func `No answer at all makes the coordinator trap or blame another DIMM`(
        isSparse: Bool, isTimed: Bool
    ) throws {
        let model = try TinyLlama.builder(
            layers: 1, hidden: 32, heads: 2, kvHeads: 2, feedForward: 64, vocabulary: 259,
            format: .q8_0
        ).model()
        let rule = isSparse ? try model.calibratedRule(sparsity: 0.5) : nil
        var plan = RunPlan(dimmCount: 3, prompt: [1], tokenCount: 1)
        plan.rule = rule
        if isTimed { plan.topology = try .small(dimmCount: 3) }
        let shape = model.shape
        var random = SplitMix64(seed: (isSparse ? 61 : 60) + (isTimed ? 10 : 0))
        var refusals = 0
        let runCount = 1000
        for _ in 0..<runCount {
            let culprit = Int.random(in: 0..<3, using: &random)
            let spoiled = Int.random(in: 0..<5, using: &random)
            let links = (0..<3).map { dimm in
                var count = 0
                return ScriptedLink { request in
                    var answers = Self.answer(to: request, shape, isSparse: isSparse)
                    guard dimm == culprit, !answers.isEmpty else { return answers }
                    if count == spoiled { spoil(&answers[0], with: &random) }
                    count += 1
                    return answers
                }
            }
            do {
                _ = try SimulatedSystem.coordinate(model, plan, links)
            } catch CoordinatorError.link(dimm: culprit, .peerCorrupt),
                CoordinatorError.fault(dimm: culprit, _, _)
            {
                refusals += 1
            } catch CoordinatorError.time where isTimed {
                // A reply of the far future is possible, but what follows it is not.
                refusals += 1
            }
        }
        // The rest changed numbers only, or fields that the answer does not use.
        #expect(refusals > runCount / 3)
    }
}
