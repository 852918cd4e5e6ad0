import Coordinator
import Messages
import NeuronPlacement
import PackedSets
import Quantities
import Telemetry
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Whose time it is: a worker derives its own from the list of neurons that reached it.
@Suite struct NeuronListTests {
    private static let dimmCount = 4
    private static let widened = 2

    /// Doubles the list of neurons that one worker gets: half of the neurons are hot, so the
    /// other half is doubled by asking for all. The coordinator knows nothing of it; that its
    /// worker was more active than asked would be refused, so the answer says that none was.
    private static let doubling = LinkWrapping(
        coordinatorEnd: { dimm, link in
            InspectingLink(link) { (bytes: inout [UInt8]) in
                let kind = header(of: bytes).kind
                guard dimm == widened, kind == .partialSum else { return }
                set(0, at: 12, byteCount: 4, in: &bytes)
                // The set of active slots, one word for either block, comes last.
                set(0, at: bytes.count - 8, byteCount: 8, in: &bytes)
            }
        },
        workerEnd: { dimm, link in
            InspectingLink(link) { (bytes: inout [UInt8]) in
                let kind = header(of: bytes).kind
                guard dimm == widened, kind == .projectQKV || kind == .feedForward else { return }
                let neuronCount = kind == .projectQKV ? hidden : feedForward
                let all = PackedSet.full(elementCount: neuronCount / dimmCount)
                for (index, word) in all.words.enumerated() {
                    set(word, at: MessageHeader.byteCount + 8 * index, byteCount: 8, in: &bytes)
                }
            }
        })

    private static let hidden = 64
    private static let feedForward = 128

    private func run(_ wrapping: LinkWrapping) throws -> RunOutcome {
        let model = try TinyLlama.builder(
            layers: 2, hidden: Self.hidden, heads: 4, kvHeads: 2, feedForward: Self.feedForward,
            format: .q8_0
        ).model()
        var plan = RunPlan(dimmCount: Self.dimmCount)
        plan.hotShare = 500_000
        plan.topology = try Topology.small(dimmCount: Self.dimmCount)
        return try SimulatedSystem.run(model, plan, wrapping)
    }

    /// Multiply-accumulates of a DIMM's steps of this name, over the run.
    private func work(_ outcome: RunOutcome, _ name: String, dimm: Int) throws -> UInt64 {
        let time = try #require(outcome.time)
        return time.timeline.events.filter { $0.unit == "DIMM \(dimm)" && $0.name == name }
            .reduce(0) { $0 + $1.macCount }
    }

    @Test func `Doubling one worker's list of neurons changes its time and nobody else's`() throws {
        let even = try run(LinkWrapping())
        let uneven = try run(Self.doubling)
        for dimm in 0..<Self.dimmCount {
            let factor: UInt64 = dimm == Self.widened ? 2 : 1
            for name in ["QKV", "MLP"] {
                let before = try work(even, name, dimm: dimm)
                #expect(before > 0)
                #expect(try work(uneven, name, dimm: dimm) == factor * before)
            }
            #expect(
                try work(uneven, "attention", dimm: dimm) == work(even, "attention", dimm: dimm))
            let before = even.farewell[dimm].busyPicoseconds
            let after = uneven.farewell[dimm].busyPicoseconds
            if dimm == Self.widened { #expect(after > before) } else { #expect(after == before) }
        }
    }
}
