import DIMMWorker
import Messages
import ModelFile
import NeuronPlacement
import PackedSets
import SeededRandom
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Coordinators that send garbage or leave: the worker says what was wrong, and never traps.
@Suite struct BadCoordinatorTests {
    private static let contextCapacity = 6
    private static let dimmCount = 3

    private static func model() throws -> DecoderModel {
        try TinyLlama.builder(
            layers: 2, hidden: 32, heads: 4, kvHeads: 2, feedForward: 64, vocabulary: 259,
            format: .q4_1, contextLength: 40
        ).model()
    }

    // MARK: Right requests, to be spoilt

    private static func configuration(
        dimm: Int = 1, capacity: Int = contextCapacity, isSparse: Bool = false, layers: Int = 2,
        hasHomes: Bool = false, dimmCount: Int = dimmCount, topology: String = ""
    ) -> [UInt8] {
        let configuration = WorkerConfiguration(
            dimmIndex: dimm, dimmCount: dimmCount, contextCapacity: capacity,
            isSparse: isSparse, layerCount: layers, isTimed: !topology.isEmpty,
            hasHomes: hasHomes, topologyText: topology)
        return message(byteCount: MessageHeader.byteCount + configuration.byteCount) {
            MessageHeader(.configure, step: 0).encode(into: &$0)
            configuration.encode(into: &$0)
        }
    }

    /// The first `qkvCount` QKV neurons and the first `mlpCount` feed-forward neurons.
    private static func homes(layer: Int, qkvCount: Int = 5, mlpCount: Int = 21) -> [UInt8] {
        let words = [(32, qkvCount), (64, mlpCount)].flatMap { neuronCount, homeCount in
            PackedSet(elementCount: neuronCount, members: 0..<homeCount).words
        }
        return message(byteCount: MessageHeader.byteCount + 8 * words.count) {
            MessageHeader(.setHomes, layer: layer, step: 0).encode(into: &$0)
            $0.store(words.span, at: MessageHeader.byteCount)
        }
    }

    private static func rule(layer: Int, dimm: Int = 1) -> [UInt8] {
        let count = HomeMap(neuronCount: 64, dimmCount: dimmCount).slotCount(ofDIMM: dimm)
        return message(
            MessageHeader(.setActivityRule, layer: layer, count: count, step: 0),
            [UInt8](repeating: 0, count: 4 + 8 * count))
    }

    /// A request over the slots of a block of `neuronCount` neurons: the first slot, and 32
    /// inputs.
    private static func request(
        _ kind: MessageKind, layer: Int, dimm: Int = 1, neuronCount: Int
    ) -> [UInt8] {
        let count = HomeMap(neuronCount: neuronCount, dimmCount: dimmCount).slotCount(ofDIMM: dimm)
        var set = PackedSet(elementCount: count)
        set.insert(0)
        return message(byteCount: MessageHeader.byteCount + set.byteCount + 4 * 32) {
            MessageHeader(kind, layer: layer, step: 5).encode(into: &$0)
            $0.store(set.words.span, at: MessageHeader.byteCount)
        }
    }

    private static func heads(layer: Int, dimm: Int = 1) -> [Int] {
        HeadMap(keyValueHeadCount: 2, dimmCount: dimmCount).heads(layer: layer, dimm: dimm)
    }

    private static func attend(layer: Int, position: Int, dimm: Int = 1) -> [UInt8] {
        let count = heads(layer: layer, dimm: dimm).count
        return message(
            MessageHeader(.attend, layer: layer, position: position, count: count, step: 5),
            [UInt8](repeating: 1, count: 4 * count * (16 + 2 * 8)))
    }

    private static func rows(
        layer: Int, head: Int, first: Int, count: Int, payloadCount: Int? = nil
    ) -> [UInt8] {
        message(
            MessageHeader(
                .storeKeysAndValues, layer: layer, position: first, count: count,
                auxiliary: head, step: 5),
            [UInt8](repeating: 1, count: 8 * 8 * (payloadCount ?? count)))
    }

    // MARK: Serving

    /// Lets a worker serve a script; how that ended, nil for a farewell.
    private func serve(_ script: [[UInt8]], _ model: DecoderModel) throws -> LinkError? {
        let link = ScriptedLink(waiting: script)
        do {
            var worker = try DIMMWorker.attach(
                to: link, model: model, probe: SizeProbe(dimm: 1), pacing: .none)
            try worker.serve()
            return nil
        } catch let error as LinkError {
            return error
        }
    }

    private func expectCorrupt(
        _ script: [[UInt8]], _ part: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let error = try serve(script, Self.model())
        guard case .peerCorrupt(let text)? = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        #expect(text.contains(part), sourceLocation: sourceLocation)
    }

    @Test func `Right requests are served to the end of the script`() throws {
        let requests = [
            Self.rows(layer: 0, head: 1, first: 0, count: 6),
            Self.rows(layer: 0, head: 1, first: 6, count: 0),
            Self.request(.projectQKV, layer: 1, neuronCount: 32),
            Self.request(.feedForward, layer: 0, neuronCount: 64),
            Self.attend(layer: 0, position: 5), Self.attend(layer: 0, position: 0),
        ]
        let model = try Self.model()
        #expect(try serve([Self.configuration()] + requests, model) == ScriptedLink.end)
        let sparse =
            [Self.configuration(isSparse: true), Self.rule(layer: 1), Self.rule(layer: 0)]
            + requests
        #expect(try serve(sparse, model) == ScriptedLink.end)
        let leave = message(MessageHeader(.shutDown, step: 9))
        #expect(try serve(sparse + [leave, [1, 2, 3]], model) == nil)
    }

    @Test func `A coordinator that leaves ends the worker, whenever it leaves`() throws {
        let script = [
            Self.configuration(isSparse: true), Self.rule(layer: 0), Self.rule(layer: 1),
            Self.rows(layer: 0, head: 1, first: 0, count: 2),
            Self.request(.projectQKV, layer: 0, neuronCount: 32),
        ]
        for count in 0...script.count {
            #expect(try serve(Array(script.prefix(count)), Self.model()) == ScriptedLink.end)
        }
    }

    @Test func `A wrong start is refused`() throws {
        try expectCorrupt([[]], "no header")
        try expectCorrupt([Self.attend(layer: 0, position: 0)], "not configure")
        try expectCorrupt([message(MessageHeader(.configure, step: 0))], "configuration of 40")
        try expectCorrupt([Self.configuration(dimm: 3)], "impossible")
        try expectCorrupt([Self.configuration(layers: 3)], "3 layers")
        try expectCorrupt([Self.configuration(capacity: 41)], "41 positions")
        try expectCorrupt([Self.configuration(capacity: Int(UInt32.max))], "positions")
    }

    @Test func `Homes are taken layer by layer, and wrong ones refused`() throws {
        let start = Self.configuration(hasHomes: true)
        let right = [start, Self.homes(layer: 0), Self.homes(layer: 1)]
        for count in 0...right.count {
            let script = Array(right.prefix(count))
            #expect(try serve(script, Self.model()) == ScriptedLink.end)
        }
        let nothing = [
            start, Self.homes(layer: 0, qkvCount: 0, mlpCount: 0),
            Self.homes(layer: 1, qkvCount: 32, mlpCount: 64),
            message(MessageHeader(.shutDown, step: 9)),
        ]
        #expect(try serve(nothing, Self.model()) == nil)
        // 21 slots as dealt out in turn, so the request for slot 0 of them is right here, too.
        let request = Self.request(.feedForward, layer: 1, neuronCount: 64)
        #expect(try serve(right + [request], Self.model()) == ScriptedLink.end)
        try expectCorrupt([start, Self.homes(layer: 1)], "homes of layer 0")
        try expectCorrupt([start, Self.homes(layer: 0), Self.homes(layer: 0)], "homes of layer 1")
        try expectCorrupt([start, request], "homes of layer 0")
        try expectCorrupt([start, Array(Self.homes(layer: 0).dropLast())], "homes of 55 bytes")
        try expectCorrupt([start, Self.homes(layer: 0) + [0]], "homes of 57 bytes")
        var stray = Self.homes(layer: 0)
        stray[MessageHeader.byteCount + 4] = 1
        try expectCorrupt([start, stray], "past 31")
        try expectCorrupt([Self.configuration(), Self.homes(layer: 0)], "setHomes")
        try expectCorrupt(right + [Self.homes(layer: 1)], "setHomes")
    }

    @Test func `More DIMMs than there can be are refused`() throws {
        let absurd = Self.configuration(dimmCount: Int(UInt32.max))
        try expectCorrupt([absurd], "4294967295 DIMMs")
    }

    @Test func `A topology that cannot be, or has no such DIMM, is refused`() throws {
        try expectCorrupt([Self.configuration(topology: "format: [")], "the coordinator's topology")
        try expectCorrupt([Self.configuration(topology: "format: 9\n")], "format")
        let one = try Topology.small(dimmCount: 1).rendered()
        try expectCorrupt([Self.configuration(topology: one)], "no DIMM 1")
    }

    @Test func `Times that are far beyond any run are refused`() throws {
        let start = Self.configuration(topology: try Topology.small(dimmCount: 3).rendered())
        for var request in [
            Self.request(.projectQKV, layer: 0, neuronCount: 32),
            Self.request(.feedForward, layer: 0, neuronCount: 64),
            Self.attend(layer: 0, position: 0),
        ] {
            set(.max, at: 24, byteCount: 8, in: &request)
            try expectCorrupt([start, request], "absurd")
        }
        var rows = Self.rows(layer: 0, head: 1, first: 0, count: 1)
        set(.max, at: 24, byteCount: 8, in: &rows)
        try expectCorrupt([start, rows, Self.attend(layer: 0, position: 0)], "absurd")
    }

    @Test func `Wrong clock settings are refused, and one without a dilation does not wait`() throws
    {
        func clock(origin: UInt64, dilation: UInt64) -> [UInt8] {
            let setting = ClockSetting(originNanoseconds: origin, dilationThousandths: dilation)
            return message(byteCount: MessageHeader.byteCount + ClockSetting.byteCount) {
                MessageHeader(.startClock, step: 1).encode(into: &$0)
                setting.encode(into: &$0)
            }
        }
        let untimed = Self.configuration()
        let timed = Self.configuration(
            topology: try Topology.small(dimmCount: Self.dimmCount).rendered())
        try expectCorrupt([untimed, message(MessageHeader(.startClock, step: 1))], "clock setting")
        let unpaced = clock(origin: .max, dilation: 0)
        #expect(try serve([untimed, unpaced], Self.model()) == ScriptedLink.end)
        #expect(try serve([timed, unpaced], Self.model()) == ScriptedLink.end)
        try expectCorrupt([untimed, clock(origin: 1, dilation: 1_000)], "no emulated time")
        try expectCorrupt([timed, clock(origin: 1, dilation: .max)], "dilation")
        try expectCorrupt([timed, clock(origin: 0, dilation: 1_000)], "starts at 0")
        try expectCorrupt([timed, clock(origin: .max, dilation: 1_000)], "starts at")
    }

    @Test func `Wrong activity rules are refused`() throws {
        let start = Self.configuration(isSparse: true)
        try expectCorrupt([start, Self.rule(layer: 2)], "activity rule")
        try expectCorrupt([start, Self.rule(layer: 0), Self.rule(layer: 0)], "second")
        try expectCorrupt([start, Self.attend(layer: 0, position: 0)], "expected an activity rule")
        try expectCorrupt([start, Array(Self.rule(layer: 0).dropLast(4))], "activity rule of")
        try expectCorrupt([start, Self.rule(layer: 0, dimm: 0)], "activity rule of")
        try expectCorrupt([Self.configuration(), Self.rule(layer: 0)], "setActivityRule")
    }

    @Test func `Rules for a model without gates are refused`() throws {
        let model = try TinyOPT.builder(
            hidden: 32, feedForward: 64, vocabulary: 259, contextLength: 40
        ).model()
        let sparse = Self.configuration(isSparse: true)
        #expect(
            try serve([sparse, Self.rule(layer: 0)], model)
                == .peerCorrupt("activity rules for a model without gates"))
        let farewell = message(MessageHeader(.shutDown, step: 9))
        #expect(try serve([Self.configuration(), farewell], model) == nil)
    }

    @Test func `Kinds that a worker does not serve are refused`() throws {
        let start = Self.configuration()
        for kind: MessageKind in [
            .configure, .configureShape, .setActivityRule, .setHomes, .ready, .partialSum,
            .attentionContext, .farewell, .fault, .neuronsGiven, .neuronsTaken, .neuronWeights,
            .neuronTransfer,
        ] {
            try expectCorrupt([start, message(MessageHeader(kind, step: 1))], "\(kind)")
        }
        var unknown = message(MessageHeader(.attend, step: 1))
        set(19, at: 0, byteCount: 2, in: &unknown)
        try expectCorrupt([start, unknown], "kind 19")
        try expectCorrupt([start, []], "no header")
        try expectCorrupt([start, message(MessageHeader(.attend, layer: 2, step: 1))], "layer 2")
        let wildLayer = MessageHeader(.shutDown, layer: 65_535, step: 1)
        try expectCorrupt([start, message(wildLayer)], "layer 65535")
    }

    @Test(arguments: [(MessageKind.projectQKV, 32), (.feedForward, 64)])
    func `Requests of a wrong size, or for slots that are not there, are refused`(
        kind: MessageKind, neuronCount: Int
    ) throws {
        let start = Self.configuration()
        let right = Self.request(kind, layer: 0, neuronCount: neuronCount)
        try expectCorrupt([start, Array(right.dropLast())], "slots in")
        try expectCorrupt([start, right + [0]], "slots in")
        try expectCorrupt([start, Array(right.prefix(MessageHeader.byteCount))], "slots in")
        let slotCount = neuronCount / 3 + (neuronCount % 3 > 1 ? 1 : 0)
        for bit in [slotCount, 63] {
            var wrong = right
            wrong[MessageHeader.byteCount + bit / 8] |= 1 << UInt8(bit % 8)
            try expectCorrupt([start, wrong], "past \(slotCount - 1)")
        }
    }

    @Test func `Wrong attention requests are refused`() throws {
        let start = Self.configuration()
        let right = Self.attend(layer: 0, position: 0)
        #expect(Self.heads(layer: 0) == [1])
        try expectCorrupt([start, Self.attend(layer: 1, position: 0)], "no head of layer 1")
        try expectCorrupt([start, Self.attend(layer: 0, position: 6)], "position 6 of 6")
        var far = right
        set(.max, at: 4, byteCount: 4, in: &far)
        try expectCorrupt([start, far], "position 4294967295")
        for count: UInt64 in [0, 2, 0xFFFF_FFFF] {
            var wrong = right
            set(count, at: 8, byteCount: 4, in: &wrong)
            try expectCorrupt([start, wrong], "\(count) heads")
        }
        try expectCorrupt([start, Array(right.dropLast(4))], "1 heads in")
        try expectCorrupt([start, right + right], "1 heads in")
    }

    @Test func `Wrong rows of keys and values are refused`() throws {
        let start = Self.configuration()
        try expectCorrupt([start, Self.rows(layer: 0, head: 0, first: 0, count: 1)], "head 0")
        try expectCorrupt([start, Self.rows(layer: 0, head: 9, first: 0, count: 1)], "head 9")
        try expectCorrupt([start, Self.rows(layer: 0, head: 1, first: 6, count: 1)], "6..<7")
        try expectCorrupt([start, Self.rows(layer: 0, head: 1, first: 0, count: 7)], "0..<7")
        let absurd = Int(UInt32.max)
        for (first, count) in [(absurd, absurd), (0, absurd), (absurd, 0), (absurd, 1)] {
            let rows = Self.rows(layer: 0, head: 1, first: first, count: count, payloadCount: 1)
            try expectCorrupt([start, rows], "of 6")
        }
        for payload in [0, 2, 6] {
            let rows = Self.rows(layer: 0, head: 1, first: 0, count: 3, payloadCount: payload)
            try expectCorrupt([start, rows], "3 rows in")
        }
    }

    // MARK: Garbage of any kind

    private func randomRequest(dimm: Int, _ random: inout SplitMix64) -> [UInt8] {
        let layer = Int.random(in: 0..<2, using: &random)
        let position = Int.random(in: 0..<Self.contextCapacity, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            return Self.request(.projectQKV, layer: layer, dimm: dimm, neuronCount: 32)
        case 1:
            return Self.request(.feedForward, layer: layer, dimm: dimm, neuronCount: 64)
        case 2 where !Self.heads(layer: layer, dimm: dimm).isEmpty:
            return Self.attend(layer: layer, position: position, dimm: dimm)
        default:
            guard let head = Self.heads(layer: layer, dimm: dimm).first else {
                return Self.request(.projectQKV, layer: layer, dimm: dimm, neuronCount: 32)
            }
            return Self.rows(layer: layer, head: head, first: position, count: 1)
        }
    }

    @Test func `No message at all makes a worker trap`() throws {
        let model = try Self.model()
        let topology = try Topology.small(dimmCount: 3).rendered()
        var random = SplitMix64(seed: 80)
        var refusals = 0
        var messageCount = 0
        for _ in 0..<1500 {
            let dimm = Int.random(in: 0..<3, using: &random)
            let isSparse = random.next() % 2 == 0
            // The timed ones are fewer: they simulate the DRAM.
            let isTimed = random.next() % 50 == 0
            let hasHomes = random.next() % 4 == 0
            var script = [
                Self.configuration(
                    dimm: dimm, isSparse: isSparse, hasHomes: hasHomes,
                    topology: isTimed ? topology : "")
            ]
            if hasHomes {
                // As many as dealt out in turn, so that the requests below are right.
                script += (0..<2).map { layer in
                    let counts = [32, 64].map {
                        HomeMap(neuronCount: $0, dimmCount: 3).slotCount(ofDIMM: dimm)
                    }
                    return Self.homes(layer: layer, qkvCount: counts[0], mlpCount: counts[1])
                }
            }
            if isSparse { script += [0, 1].map { Self.rule(layer: $0, dimm: dimm) } }
            for step in 1...6 {
                // A number twice would be a request for an earlier answer.
                var request = randomRequest(dimm: dimm, &random)
                set(UInt64(step), at: 16, byteCount: 8, in: &request)
                script.append(request)
            }
            for _ in 0..<2 {
                let place = Int.random(in: 0..<script.count, using: &random)
                spoil(&script[place], with: &random)
            }
            let link = ScriptedLink(waiting: script)
            do {
                var worker = try DIMMWorker.attach(
                    to: link, model: model, probe: SizeProbe(dimm: dimm), pacing: .none)
                try worker.serve()
            } catch LinkError.peerCorrupt {
                refusals += 1
            } catch LinkError.peerGone {
            }
            messageCount += link.receivedCount
        }
        #expect(messageCount > 4000)
        #expect(refusals > 900)
    }
}
