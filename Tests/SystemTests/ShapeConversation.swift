import DIMMWorker
import MappedMemory
import Messages
import PackedSets
import Quantities
import Simulation
import Topology

/// A small shape and its messages: DIMM 1 of 2, three layers, two sequences.
///
/// A neuron of the QKV block has 128 lines and 4096 weights, two groups of MACs, one of the MLP
/// twice as many. Six query heads share three KV heads of four elements of two bytes.
enum SmallShape {
    static let neuronByteCounts = [8_192, 16_384]
    static let slotCounts = [70, 130]
    static let filledCounts = [60, 100]

    static func configuration(
        topology: Topology?, split: ShapeConfiguration.AttentionSplit = .heads, dimm: Int = 1,
        host: ShapeConfiguration.Host? = nil, arena: Int = 0, batch: Int = 2
    ) -> ShapeConfiguration {
        ShapeConfiguration(
            dimmIndex: dimm, dimmCount: 2, layerCount: 3, batchSize: batch, contextCapacity: 20,
            isTimed: topology != nil, queryHeadCount: 6, keyValueHeadCount: 3, headSize: 4,
            bytesPerActivation: 2, attentionSplit: split, arenaByteCount: arena, host: host,
            blocks: [
                .init(
                    slotCount: 70, neuronByteCount: 8_192, weightsPerNeuron: 4_096,
                    inputByteCount: 64, sumByteCount: 96),
                .init(
                    slotCount: 130, neuronByteCount: 16_384, weightsPerNeuron: 8_192,
                    inputByteCount: 64, sumByteCount: 64),
            ], filledSlotCounts: Array(repeating: filledCounts, count: 3),
            topologyText: topology?.rendered() ?? "")
    }

    /// Reading and multiplying follow each other; 25 ns a group of 2048 MACs.
    static func topology() throws -> Topology {
        try Topology.small(
            dimmCount: 2,
            overrides: [("dimm.ndp.overlap", "sum"), ("dimm.ndp.cycles", "25")])
    }

    static func message(_ shape: ShapeConfiguration) -> [UInt8] {
        SystemTests.message(byteCount: MessageHeader.byteCount + shape.byteCount) {
            MessageHeader(.configureShape, step: 0).encode(into: &$0)
            shape.encode(into: &$0)
        }
    }

    /// A request of block 0 or 1 with a set of slots for each sequence, and 64 bytes of input.
    static func request(
        block: Int, _ sets: [[Int]], layer: Int = 0, time: UInt64 = 0
    ) -> [UInt8] {
        let words = sets.flatMap { PackedSet(elementCount: slotCounts[block], members: $0).words }
        return SystemTests.message(
            byteCount: MessageHeader.byteCount + 8 * words.count + 64 * sets.count
        ) {
            var header = MessageHeader(
                block == 0 ? .projectQKV : .feedForward, layer: layer, step: 5)
            header.time = time
            header.encode(into: &$0)
            $0.store(words.span, at: MessageHeader.byteCount)
        }
    }

    static func attend(
        layer: Int, position: Int, heads: Int, byteCount: Int
    ) -> [UInt8] {
        SystemTests.message(
            MessageHeader(.attend, layer: layer, position: position, count: heads, step: 5),
            [UInt8](repeating: 1, count: byteCount))
    }

    static func rows(layer: Int, first: Int, count: Int, byteCount: Int) -> [UInt8] {
        SystemTests.message(
            MessageHeader(
                .storeKeysAndValues, layer: layer, position: first, count: count, step: 5),
            [UInt8](repeating: 1, count: byteCount))
    }

    static func slots(
        _ kind: MessageKind, _ slots: [UInt32], block: Int, peer: Int = 0, count: Int? = nil
    ) -> [UInt8] {
        SystemTests.message(byteCount: MessageHeader.byteCount + 4 * slots.count) {
            MessageHeader(
                kind, layer: 2, position: block, count: count ?? slots.count, auxiliary: peer,
                step: 5
            ).encode(into: &$0)
            SlotList.encode(slots, into: &$0)
        }
    }

    static func take(
        _ slots: [UInt32], block: Int, peer: Int, arrival: UInt64 = 0
    ) -> [UInt8] {
        let arrivals = NeuronArrivals(
            arrivalPicoseconds: arrival, entries: slots.map { .init(neuron: 7, slot: $0) })
        return SystemTests.message(byteCount: MessageHeader.byteCount + arrivals.byteCount) {
            MessageHeader(
                .takeNeurons, layer: 2, position: block, count: slots.count, auxiliary: peer,
                step: 5
            ).encode(into: &$0)
            arrivals.encode(into: &$0)
        }
    }
}

/// One answer of a worker.
struct ShapeReply {
    let header: MessageHeader
    let report: WorkReport
    /// Behind the report.
    let payloadByteCount: Int

    init(_ bytes: [UInt8]) throws {
        header = SystemTests.header(of: bytes)
        report = try unsafe WorkReport(decoding: bytes.span.bytes)
        payloadByteCount = bytes.count - MessageHeader.byteCount - WorkReport.byteCount
    }
}

/// All that a worker said to a coordinator that had sent everything before it listened.
struct ShapeConversation {
    private(set) var replies: [ShapeReply] = []
    private(set) var ready: WorkerFacts?
    private(set) var farewell: WorkerFacts?
    /// Why the worker gave up, if it did.
    private(set) var end: LinkError?

    init(
        _ shape: ShapeConfiguration, _ requests: [[UInt8]],
        peers: [Int: any MessageLink] = [:]
    ) throws {
        let (coordinator, link) = InMemoryLink.pair(capacity: 1 << 22)
        let all =
            [SmallShape.message(shape)] + requests + [message(MessageHeader(.shutDown, step: 9))]
        for bytes in all {
            try coordinator.send(byteCount: bytes.count) {
                unsafe $0.store(bytes: bytes.span.bytes, at: 0)
            }
        }
        do {
            var worker = try ShapeWorker.attach(
                to: link, peers: WorkerPeers(links: peers), probe: SizeProbe(dimm: shape.dimmIndex),
                pacing: .none)
            try worker.serve()
        } catch let error as LinkError {
            end = error
        }
        var bytes: [UInt8] = []
        while try coordinator.tryReceive({ bytes = $0.copied }) {
            switch header(of: bytes).kind {
            case .ready: ready = try unsafe WorkerFacts(decoding: bytes.span.bytes)
            case .farewell: farewell = try unsafe WorkerFacts(decoding: bytes.span.bytes)
            default: replies.append(try ShapeReply(bytes))
            }
        }
        withExtendedLifetime(link) {}
    }
}
