import Coordinator
import Messages
import ModelFile
import PackedSets
import Pacing
import Quantities
import Scheduling
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Runs whose neurons move: they change time and memory, never what is computed.
@Suite struct MigrationTests {
    private static let dimmCount = 4
    private static let feedForward = 160

    private static func model(
        _ format: WeightFormat = .q8_0, isDownTransposed: Bool = false
    ) throws -> DecoderModel {
        try TinyOPT.builder(
            layers: 3, hidden: 96, heads: 6, feedForward: feedForward, format: format, seed: 5,
            isDownTransposed: isDownTransposed
        ).model()
    }

    private static func plan(
        _ rebalancing: RebalanceChoice, adjusts: Bool = false, isTimed: Bool = true,
        overrides: [(path: String, value: String)] = []
    ) throws -> RunPlan {
        let topology = try Topology.small(dimmCount: dimmCount, overrides: overrides)
        var plan = RunPlan(dimmCount: dimmCount, tokenCount: 24)
        plan.topology = isTimed ? topology : nil
        plan.moving = MovingPlan(
            rebalancing: rebalancing, adjustsHotSet: adjusts, topology: topology)
        return plan
    }

    /// Logits that differ by rounding only.
    private func expectAgreement(
        _ run: RunOutcome, _ other: RunOutcome,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(run.tokens == other.tokens, sourceLocation: sourceLocation)
        for (step, expected) in other.logits.enumerated() {
            let largest = expected.map(abs).max() ?? 0
            let isClose = zip(run.logits[step], expected).allSatisfy {
                abs($0 - $1) <= 1e-5 * largest
            }
            if !isClose {
                Issue.record("logits of step \(step)", sourceLocation: sourceLocation)
                return
            }
        }
    }

    @Test(arguments: [WeightFormat.f32, .f16, .q8_0, .q4_0, .q4_1], [false, true])
    func `Neurons change their DIMM and the tokens stay the reference's`(
        format: WeightFormat, isDownTransposed: Bool
    ) throws {
        let model = try Self.model(format, isDownTransposed: isDownTransposed)
        for choice: RebalanceChoice in [.window, .windowAboveMean, .longestFirst, .fixed] {
            let plan = try Self.plan(choice, isTimed: false)
            let run = try SimulatedSystem.run(model, plan)
            let record = try #require(run.migration)
            #expect(record.remapCount > 0, "\(choice)")
            #expect(record.remapByteCount > 0)
            #expect(record.abortedRemapCount == 0)
            expectAgreement(run, SimulatedSystem.reference(model, plan))
        }
    }

    @Test(arguments: [RebalanceChoice.none, .window], [WeightFormat.f16, .q4_1])
    func `Hot neurons change and the tokens stay the reference's`(
        choice: RebalanceChoice, format: WeightFormat
    ) throws {
        let model = try Self.model(format)
        let plan = try Self.plan(choice, adjusts: true)
        let run = try SimulatedSystem.run(model, plan)
        let record = try #require(run.migration)
        #expect(record.hotSwapCount > 0)
        #expect(record.hotSwapByteCount > 0)
        #expect((record.remapCount > 0) == (choice == .window))
        expectAgreement(run, SimulatedSystem.reference(model, plan))
        // Copies overwrite copies: the GPU's memory is as large as at the start.
        #expect(try #require(run.ledger).hotWeightByteCount > 0)
    }

    @Test func `A model with a rule takes the rule's values along`() throws {
        let model = try TinyLlama.builder(
            layers: 2, hidden: 64, heads: 4, kvHeads: 2, feedForward: 128, format: .q4_0
        ).model()
        var plan = try Self.plan(.window, adjusts: true)
        plan.rule = try model.calibratedRule(sparsity: 0.6)
        let run = try SimulatedSystem.run(model, plan)
        let record = try #require(run.migration)
        #expect(record.remapCount > 0)
        #expect(record.hotSwapCount > 0)
        // Sums are wide: rounding hides who added what.
        #expect(run.tokens == SimulatedSystem.reference(model, plan).tokens)
    }

    @Test func `Every neuron has one home, however many moved`() throws {
        let model = try Self.model()
        let run = try SimulatedSystem.run(model, Self.plan(.longestFirst))
        let homes = try #require(run.homes)
        expectOneHome(
            homes, layerCount: 3, dimmCount: Self.dimmCount, neuronCount: Self.feedForward)
    }

    @Test func `The window balances what round-robin leaves uneven`() throws {
        let run = try SimulatedSystem.run(Self.model(), Self.plan(.window))
        let record = try #require(run.migration)
        #expect(record.imbalance.mean < record.imbalanceUnmoved.mean)
        #expect(record.imbalance.sampleCount == record.imbalanceUnmoved.sampleCount)
    }

    @Test func `Equal runs move equally, bit for bit, delayed or not`() throws {
        let model = try Self.model(.q4_1)
        let plan = try Self.plan(.window, adjusts: true)
        let first = try SimulatedSystem.run(model, plan)
        for seed in 1...3 as ClosedRange<UInt64> {
            let delaying = LinkWrapping(
                coordinatorEnd: { DelayingLink($1, seed: seed + UInt64($0)) },
                workerEnd: { DelayingLink($1, seed: 31 * seed + UInt64($0)) })
            let again = try SimulatedSystem.run(model, plan, delaying)
            #expect(again.logitBits == first.logitBits)
            #expect(again.homes == first.homes)
            #expect(again.time?.now == first.time?.now)
        }
    }

    @Test func `No clock decides who moves`() throws {
        let model = try Self.model(.f16)
        let timed = try SimulatedSystem.run(model, Self.plan(.window, adjusts: true))
        let native = try SimulatedSystem.run(
            model, Self.plan(.window, adjusts: true, isTimed: false))
        #expect(native.logitBits == timed.logitBits)
        #expect(native.homes == timed.homes)
        #expect(native.migration?.hotSwapCount == timed.migration?.hotSwapCount)
    }

    @Test func `Without rebalancing and adjustment nothing changes`() throws {
        let model = try Self.model()
        var still = try Self.plan(.none)
        let idle = try SimulatedSystem.run(model, still)
        still.moving = nil
        let without = try SimulatedSystem.run(model, still)
        #expect(idle.logitBits == without.logitBits)
        #expect(idle.time?.now == without.time?.now)
        #expect(idle.migration?.remapCount == 0)
        #expect(without.migration == nil)
    }

    // MARK: Time

    @Test func `What moves crosses the pair's link, byte for byte`() throws {
        let run = try SimulatedSystem.run(Self.model(), Self.plan(.window))
        let record = try #require(run.migration)
        let links = try #require(run.time).links.filter { $0.name.hasPrefix("dimm-link") }
        let bytes = links.reduce(0) { $0 + $1.link.counters.bytes.bytes }
        #expect(bytes == UInt64(record.remapByteCount))
        #expect(bytes > 0)
    }

    @Test func `A slower link makes a neuron's new home wait, not the run`() throws {
        let model = try Self.model()
        let fast = try SimulatedSystem.run(model, Self.plan(.window))
        let slow = try SimulatedSystem.run(
            model, Self.plan(.window, overrides: [("dimm_links.latency", "100 ms")]))
        let record = try #require(slow.migration)
        #expect(record.remapCount < (fast.migration?.remapCount ?? 0))
        #expect(!(try #require(slow.homes)).inFlight.isEmpty)
        #expect(slow.tokens == fast.tokens)
    }

    @Test func `What does not fit the projection waits`() throws {
        let model = try Self.model()
        let wide = try SimulatedSystem.run(model, Self.plan(.none, adjusts: true))
        let narrow = try SimulatedSystem.run(
            model, Self.plan(.none, adjusts: true, overrides: [("pcie.bandwidth", "20 MB/s")]))
        let (many, few) = (wide.migration?.hotSwapCount ?? 0, narrow.migration?.hotSwapCount ?? 0)
        #expect(few < many)
        #expect(narrow.tokens == wide.tokens)
    }

    @Test func `DIMMs without a link keep their neurons`() throws {
        let run = try SimulatedSystem.run(
            Self.model(), Self.plan(.window, overrides: [("dimm_links", "none")]))
        let record = try #require(run.migration)
        #expect(record.remapCount == 0)
        #expect(record.refusedRemapCount > 0)
    }

    @Test func `A paced run moves the same neurons at the same emulated time`() throws {
        let model = try Self.model()
        var plan = try Self.plan(.window, adjusts: true)
        plan.tokenCount = 8
        let virtual = try SimulatedSystem.run(model, plan)
        plan.pacing = PacedPlan(dilation: Dilation(thousandths: 20_000))
        let paced = try SimulatedSystem.run(model, plan)
        #expect(paced.logitBits == virtual.logitBits)
        #expect(paced.homes == virtual.homes)
        #expect(paced.time?.now == virtual.time?.now)
        #expect(paced.migration?.remapCount ?? 0 > 0)
    }

    // MARK: Failures

    /// Drops neurons on the way from one DIMM to another, or lets them come too late.
    private func losing(every interval: Int) -> LinkWrapping {
        LinkWrapping(peerEnd: { dimm, peer, link in
            LossyLink(link, interval: interval + dimm + peer)
        })
    }

    @Test(arguments: [1, 2, 3])
    func `Neurons that get lost on the way stay where they were`(interval: Int) throws {
        let model = try Self.model(.q4_0)
        let plan = try Self.plan(.longestFirst)
        let run = try SimulatedSystem.run(model, plan, losing(every: interval))
        let record = try #require(run.migration)
        #expect(record.abortedRemapCount > 0)
        #expect(record.remapCount > 0)
        let homes = try #require(run.homes)
        #expect(homes.inFlight.isEmpty)
        for layer in 0..<3 {
            let counts = (0..<Self.dimmCount).map {
                homes.residents(layer: layer, block: 0, dimm: $0).memberCount
            }
            #expect(counts.reduce(0, +) == Self.feedForward)
        }
        expectAgreement(run, SimulatedSystem.reference(model, plan))
    }

    @Test(arguments: [MessageKind.neuronsGiven, .neuronsTaken, .neuronWeights])
    func `A worker that answers wrongly about neurons ends the run`(kind: MessageKind) throws {
        let model = try Self.model()
        let plan = try Self.plan(.window, adjusts: true)
        for (offset, value) in [(8, 9999), (16, 9999), (2, 1)] as [(Int, UInt64)] {
            let wrapping = LinkWrapping(coordinatorEnd: { _, link in
                InspectingLink(link) { (bytes: inout [UInt8]) in
                    guard header(of: bytes).kind == kind else { return }
                    set(
                        value ^ UInt64(header(of: bytes).layer), at: offset, byteCount: 2,
                        in: &bytes)
                }
            })
            #expect(throws: CoordinatorError.self) {
                _ = try SimulatedSystem.run(model, plan, wrapping)
            }
        }
    }

    @Test func `A DIMM that claims to have moved neurons too early ends the run`() throws {
        let model = try Self.model()
        let wrapping = LinkWrapping(coordinatorEnd: { _, link in
            InspectingLink(link) { (bytes: inout [UInt8]) in
                guard header(of: bytes).kind == .neuronsTaken else { return }
                set(1, at: 24, byteCount: 8, in: &bytes)
            }
        })
        #expect(throws: CoordinatorError.self) {
            _ = try SimulatedSystem.run(model, try Self.plan(.window), wrapping)
        }
    }
}

/// A link that loses every so manieth message that is looked for.
private final class LossyLink: MessageLink {
    private let link: any MessageLink
    private let interval: Int
    private var count = 0

    init(_ link: any MessageLink, interval: Int) {
        self.link = link
        self.interval = interval
    }

    var maximumMessageByteCount: Int { link.maximumMessageByteCount }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        count += 1
        if count % interval == 0 {
            _ = message(byteCount: byteCount, fill)
            return
        }
        try link.send(byteCount: byteCount, fill)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) { try link.receive(read) }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        try link.tryReceive(read)
    }
}

/// Every neuron is at home on exactly one DIMM, and none is on its way.
func expectOneHome(
    _ homes: HomeTable, layerCount: Int, dimmCount: Int, neuronCount: Int,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(homes.inFlight.isEmpty, sourceLocation: sourceLocation)
    for layer in 0..<layerCount {
        var seen = PackedSet(elementCount: neuronCount)
        var count = 0
        for dimm in 0..<dimmCount {
            let residents = homes.residents(layer: layer, block: 0, dimm: dimm)
            count += residents.memberCount
            seen.formUnion(residents)
        }
        #expect(count == neuronCount, sourceLocation: sourceLocation)
        #expect(seen.memberCount == neuronCount, sourceLocation: sourceLocation)
    }
}
