import DIMMWorker
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import SeededRandom
import TestModels
import Testing
import Transformer
import WeightFormats

/// What a worker makes of requests to move neurons, right ones and wrong ones.
///
/// DIMM 1 of 3 of a model with 64 neurons: 21 of them, and 4 spare slots. Its format is plain, so
/// any empty slot takes any neuron.
@Suite struct NeuronRequestTests {
    private static let slotCount = 25

    private static func model() throws -> DecoderModel {
        try TinyLlama.builder(
            layers: 2, hidden: 32, heads: 4, kvHeads: 2, feedForward: 64, vocabulary: 259,
            format: .f16, contextLength: 40
        ).model()
    }

    private static func configuration(spares: Int = 4) -> [UInt8] {
        let configuration = WorkerConfiguration(
            dimmIndex: 1, dimmCount: 3, contextCapacity: 6, isSparse: false, layerCount: 2,
            isTimed: false, spareSlotCount: spares, topologyText: "")
        return message(byteCount: MessageHeader.byteCount + configuration.byteCount) {
            MessageHeader(.configure, step: 0).encode(into: &$0)
            configuration.encode(into: &$0)
        }
    }

    private static func slots(
        _ kind: MessageKind, _ slots: [UInt32], layer: Int = 1, peer: Int = 2, step: UInt64 = 5,
        count: Int? = nil
    ) -> [UInt8] {
        message(byteCount: MessageHeader.byteCount + 4 * slots.count) {
            MessageHeader(
                kind, layer: layer, count: count ?? slots.count, auxiliary: peer, step: step
            ).encode(into: &$0)
            SlotList.encode(slots, into: &$0)
        }
    }

    private static func take(
        _ entries: [(neuron: UInt32, slot: UInt32)], peer: Int = 2, step: UInt64 = 5
    ) -> [UInt8] {
        let arrivals = NeuronArrivals(
            arrivalPicoseconds: 0,
            entries: entries.map { .init(neuron: $0.neuron, slot: $0.slot) })
        return message(byteCount: MessageHeader.byteCount + arrivals.byteCount) {
            MessageHeader(
                .takeNeurons, layer: 1, count: entries.count, auxiliary: peer, step: step
            ).encode(into: &$0)
            arrivals.encode(into: &$0)
        }
    }

    /// Three rows of 32 halves, of which the down projection's fills one tile of 64.
    private static let parcelByteCount = 2 * (32 + 32 + 64)

    private static func transfer(
        count: Int, layer: Int = 1, donor: Int = 2, step: UInt64 = 5, byteCount: Int? = nil
    ) -> [UInt8] {
        message(
            MessageHeader(
                .neuronTransfer, layer: layer, count: count, auxiliary: donor, step: step),
            [UInt8](repeating: 3, count: byteCount ?? count * parcelByteCount))
    }

    /// What a worker answers to a script, and how the script ended.
    private func serve(
        _ script: [[UInt8]], transfers: [[UInt8]] = [], spares: Int = 4
    ) throws -> (answers: [MessageHeader], sent: [[UInt8]], end: LinkError?) {
        let answers = Received()
        let sent = Received()
        let link = ScriptedLink(waiting: [Self.configuration(spares: spares)] + script) {
            answers.messages.append($0)
            return []
        }
        let peer = ScriptedLink(waiting: transfers) {
            sent.messages.append($0)
            return []
        }
        var end: LinkError?
        do {
            var worker = try DIMMWorker.attach(
                to: link, peers: WorkerPeers(links: [2: peer]), model: Self.model(),
                probe: SizeProbe(dimm: 1),
                pacing: .none)
            try worker.serve()
        } catch let error as LinkError {
            end = error
        }
        return (answers.messages.dropFirst().map { header(of: $0) }, sent.messages, end)
    }

    /// Belongs to the one thread of its test.
    private final class Received {
        var messages: [[UInt8]] = []
    }

    private func expectCorrupt(
        _ script: [[UInt8]], transfers: [[UInt8]] = [], _ part: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        guard case .peerCorrupt(let text)? = try serve(script, transfers: transfers).end else {
            Issue.record("nothing was refused", sourceLocation: sourceLocation)
            return
        }
        #expect(text.contains(part), sourceLocation: sourceLocation)
    }

    @Test func `Neurons that are given stay until they are released`() throws {
        let run = try serve([
            Self.slots(.giveNeurons, [0, 20]), Self.slots(.giveNeurons, [20], step: 6),
            Self.slots(.sendNeurons, [20, 0, 7], step: 7),
            Self.slots(.releaseNeurons, [20], step: 8),
            Self.slots(.releaseNeurons, [20], step: 9),
            Self.slots(.sendNeurons, [0], step: 10),
        ])
        #expect(run.end == ScriptedLink.end)
        #expect(
            run.answers.map(\.kind)
                == [.neuronsGiven, .neuronsGiven, .neuronWeights, .neuronWeights])
        #expect(run.answers.map(\.count) == [2, 1, 3, 1])
        #expect(run.sent.map { header(of: $0).step } == [5, 6])
        #expect(
            run.sent.map(\.count)
                == [2, 1].map { MessageHeader.byteCount + $0 * Self.parcelByteCount })
    }

    @Test func `Neurons are taken once they are there, and given on`() throws {
        let run = try serve(
            [
                Self.take([(0, 21), (2, 24)]), Self.take([(3, 22)], step: 6),
                Self.slots(.giveNeurons, [24], step: 7),
            ],
            // Neurons that somebody gave in vain come first.
            transfers: [
                Self.transfer(count: 1, step: 3), Self.transfer(count: 2),
                Self.transfer(count: 3, step: 4),
            ])
        #expect(run.end == ScriptedLink.end)
        #expect(run.answers.map(\.kind) == [.neuronsTaken, .neuronsTaken, .neuronsGiven])
        #expect(run.answers.map(\.count) == [2, 0, 1], "the second got nothing")
        #expect(
            run.sent.map { Array($0.suffix(Self.parcelByteCount)) }
                == [[UInt8](repeating: 3, count: Self.parcelByteCount)])
    }

    @Test func `A released slot takes another neuron`() throws {
        let run = try serve(
            [Self.slots(.releaseNeurons, [3]), Self.take([(0, 3)])],
            transfers: [Self.transfer(count: 1)], spares: 0)
        #expect(run.end == ScriptedLink.end)
        #expect(run.answers.map(\.count) == [1])
    }

    @Test(arguments: [MessageKind.giveNeurons, .sendNeurons])
    func `Slots that hold nothing cannot be given`(kind: MessageKind) throws {
        for slot in [21, 24, 25, .max] as [UInt32] {
            try expectCorrupt([Self.slots(kind, [0, slot])], "holds no neuron")
        }
        try expectCorrupt(
            [Self.slots(.releaseNeurons, [4]), Self.slots(kind, [4])], "holds no neuron")
        try expectCorrupt([Self.slots(kind, [1], count: 2)], "a list of 2 slots")
        try expectCorrupt([Self.slots(kind, [])], "a list of 0 slots")
        let many = [UInt32](repeating: 1, count: (1 << 20) / Self.parcelByteCount + 1)
        try expectCorrupt([Self.slots(kind, many)], "more than the link carries")
    }

    @Test func `Only those with a link give and take`() throws {
        try expectCorrupt([Self.slots(.giveNeurons, [0], peer: 0)], "no link to DIMM 0")
        try expectCorrupt([Self.take([(0, 21)], peer: 7)], "no link to DIMM 7")
    }

    @Test func `Neurons that are here, or nowhere, or slots that are full are not taken`() throws {
        let cases: [[(neuron: UInt32, slot: UInt32)]] = [
            [(1, 21)], [(64, 21)], [(.max, 21)], [(0, 5)], [(0, 25)], [(0, .max)],
            [(0, 21), (0, 22)], [(0, 21), (2, 21)],
        ]
        for entries in cases {
            try expectCorrupt(
                [Self.take(entries)], transfers: [Self.transfer(count: entries.count)],
                "neuron")
        }
        try expectCorrupt([Self.slots(.releaseNeurons, [25])], "slot 25 of \(Self.slotCount)")
    }

    @Test func `A transfer that is not the one announced is refused`() throws {
        let wrong = [
            Self.transfer(count: 2), Self.transfer(count: 1, layer: 0),
            Self.transfer(count: 1, donor: 0), Self.transfer(count: 1, step: 6),
            Self.transfer(count: 1, byteCount: Self.parcelByteCount - 1),
            Self.transfer(count: 1, byteCount: Self.parcelByteCount + 1),
        ]
        for transfer in wrong {
            try expectCorrupt([Self.take([(0, 21)])], transfers: [transfer], "was to give")
        }
        try expectCorrupt(
            [Self.take([(0, 21)])], transfers: [message(MessageHeader(.attend, step: 5))],
            "expected neurons")
        try expectCorrupt([Self.take([(0, 21)])], transfers: [[1, 2]], "no header")
    }

    @Test func `An empty slot is not computed`() throws {
        var set = PackedSet(elementCount: Self.slotCount)
        set.insert(22)
        let request = message(byteCount: MessageHeader.byteCount + set.byteCount + 4 * 32) {
            MessageHeader(.feedForward, layer: 1, step: 5).encode(into: &$0)
            $0.store(set.words.span, at: MessageHeader.byteCount)
        }
        try expectCorrupt([request], "holds no neuron")
        let run = try serve(
            [Self.take([(0, 22)]), request], transfers: [Self.transfer(count: 1)])
        #expect(run.end == ScriptedLink.end)
    }

    @Test func `More spare slots than neurons are refused`() throws {
        guard case .peerCorrupt(let text)? = try serve([], spares: 65).end else {
            Issue.record("nothing was refused")
            return
        }
        #expect(text.contains("65 spare slots"))
    }

    @Test func `Whatever comes, the worker serves it or says what is wrong`() throws {
        var random = SplitMix64(seed: 71)
        let right = [
            Self.slots(.giveNeurons, [0, 20]), Self.slots(.sendNeurons, [3]),
            Self.slots(.releaseNeurons, [7, 8]), Self.take([(0, 21), (2, 24)]),
        ]
        for _ in 0..<300 {
            var request = right[Int.random(in: 0..<right.count, using: &random)]
            var transfer = Self.transfer(count: 2)
            spoil(&request, with: &random)
            if Bool.random(using: &random) { spoil(&transfer, with: &random) }
            switch try serve([request], transfers: [transfer]).end {
            case .peerCorrupt?, nil: break
            case ScriptedLink.end?: break
            case let other?:
                Issue.record("\(other)")
                return
            }
        }
    }
}
