import Messages
import SeededRandom
import Testing

/// What a worker is told at the start, and what it says of itself.
@Suite struct WorkerRecordsTests {
    private static let base = MessageHeader.byteCount

    private func message(_ configuration: WorkerConfiguration) -> Message {
        Message(byteCount: Self.base + configuration.byteCount) {
            configuration.encode(into: &$0)
        }
    }

    private func decodeConfiguration(
        _ message: Message
    ) throws(LinkError) -> WorkerConfiguration {
        try message.read { (bytes) throws(LinkError) in
            try WorkerConfiguration(decoding: bytes)
        }
    }

    @Test(arguments: [
        WorkerConfiguration(
            dimmIndex: 0, dimmCount: 1, contextCapacity: 1, isSparse: false, layerCount: 1,
            isTimed: false, topologyText: ""),
        WorkerConfiguration(
            dimmIndex: 15, dimmCount: 16, contextCapacity: 2048, isSparse: true, layerCount: 30,
            isTimed: true, spareSlotCount: 96, hasHomes: true,
            topologyText: "format: 1\nname: \u{FC}bung\n"),
        WorkerConfiguration(
            dimmIndex: Int(UInt32.max) - 1, dimmCount: Int(UInt32.max),
            contextCapacity: Int(UInt32.max), isSparse: true, layerCount: Int(UInt32.max),
            isTimed: false, topologyText: String(repeating: "x", count: 100_000)),
    ])
    func `A configuration is read as it was written`(configuration: WorkerConfiguration) throws {
        #expect(try decodeConfiguration(message(configuration)) == configuration)
    }

    @Test func `A configuration's fields follow the header in order`() {
        let bytes = message(
            WorkerConfiguration(
                dimmIndex: 1, dimmCount: 0x0203, contextCapacity: 4, isSparse: true,
                layerCount: 5, isTimed: true, spareSlotCount: 6, hasHomes: true,
                topologyText: "AB")
        ).bytes
        #expect(bytes[..<32] == [UInt8](repeating: 0xA5, count: 32)[...])
        let fields: [[UInt8]] = [
            [1, 0], [3, 2], [4, 0], [1, 0], [5, 0], [1, 0], [6, 0], [1, 0],
        ]
        let expected = fields.flatMap { $0 + [0, 0] } + Array("AB".utf8)
        #expect(Array(bytes[MessageHeader.byteCount...]) == expected)
    }

    @Test func `A configuration that is too short is refused`() {
        for byteCount in [0, 31, 32, 33, 55] {
            expectCorrupt("configuration of \(byteCount) bytes") { () throws(LinkError) in
                try decodeConfiguration(Message(byteCount: byteCount, filler: 1))
            }
        }
    }

    @Test(arguments: [
        (0, 0, 1, 1), (1, 1, 1, 1), (5, 4, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 0, 0),
    ])
    func `An impossible configuration is refused`(
        dimm: Int, dimms: Int, capacity: Int, layers: Int
    ) {
        let configuration = WorkerConfiguration(
            dimmIndex: dimm, dimmCount: dimms, contextCapacity: capacity, isSparse: false,
            layerCount: layers, isTimed: false, topologyText: "")
        expectCorrupt("impossible") { () throws(LinkError) in
            try decodeConfiguration(message(configuration))
        }
    }

    @Test(arguments: [(1, 2), (0, 1), (1 << 48 + 1, 0), (.max, .max)] as [(UInt64, UInt64)])
    func `Impossible counts of deadlines are refused`(count: UInt64, missed: UInt64) {
        var facts = WorkerFacts(
            weightByteCount: 0, keyValueByteCount: 0, node: 0, pagesOnNode: 0, pagesElsewhere: 0,
            pagesUntouched: 0, processorNanoseconds: 0, privateDirtyByteCount: 0)
        facts.deadlineCount = count
        facts.missedDeadlineCount = missed
        var report = WorkReport()
        report.deadlineCount = count
        report.missedDeadlineCount = missed
        let factsMessage = Message(byteCount: Self.base + WorkerFacts.byteCount) {
            facts.encode(into: &$0)
        }
        expectCorrupt("impossible") { () throws(LinkError) in
            try factsMessage.read { (bytes) throws(LinkError) in try WorkerFacts(decoding: bytes) }
        }
        let reportMessage = Message(byteCount: Self.base + WorkReport.byteCount) {
            report.encode(into: &$0)
        }
        expectCorrupt("impossible") { () throws(LinkError) in
            try reportMessage.read { (bytes) throws(LinkError) in try WorkReport(decoding: bytes) }
        }
    }

    @Test func `Facts are read as they were written`() throws {
        var random = SplitMix64(seed: 3)
        for round in 0..<100 {
            func field() -> UInt64 { round == 0 ? WorkerFacts.unknown : random.next() }
            var facts = WorkerFacts(
                weightByteCount: field(), keyValueByteCount: field(), node: field(),
                pagesOnNode: field(), pagesElsewhere: field(), pagesUntouched: field(),
                processorNanoseconds: field(), privateDirtyByteCount: field())
            facts.busyPicoseconds = field()
            facts.deadlineCount = round == 0 ? 1 << 48 : random.next() >> 16
            facts.missedDeadlineCount =
                round == 0 ? facts.deadlineCount : facts.deadlineCount / 3
            let message = Message(byteCount: Self.base + WorkerFacts.byteCount) {
                facts.encode(into: &$0)
            }
            let decoded = try message.read { (bytes) throws(LinkError) in
                try WorkerFacts(decoding: bytes)
            }
            #expect(decoded == facts)
        }
    }

    @Test func `Facts' fields follow the header in order`() {
        var facts = WorkerFacts(
            weightByteCount: 1, keyValueByteCount: 2, node: 3, pagesOnNode: 4,
            pagesElsewhere: 5, pagesUntouched: 6, processorNanoseconds: 7,
            privateDirtyByteCount: 8)
        facts.busyPicoseconds = 9
        facts.deadlineCount = 10
        facts.missedDeadlineCount = 11
        let bytes = Message(byteCount: Self.base + WorkerFacts.byteCount) {
            facts.encode(into: &$0)
        }.bytes
        var expected = [UInt8](repeating: 0, count: 88)
        for field in 0..<11 { expected[8 * field] = UInt8(field + 1) }
        #expect(Array(bytes[MessageHeader.byteCount...]) == expected)
    }

    @Test func `Whereabouts travel behind the facts, and cost nothing when there are none`() throws
    {
        var facts = WorkerFacts(
            weightByteCount: 1, keyValueByteCount: 2, node: 3, pagesOnNode: 4,
            pagesElsewhere: 5, pagesUntouched: 6, processorNanoseconds: 7,
            privateDirtyByteCount: 8)
        #expect(facts.messageByteCount == WorkerFacts.byteCount)
        facts.whereabouts = Whereabouts(
            counts: [
                Whereabouts.Count(.weights, node: 1023, count: 4_000_000),
                Whereabouts.Count(.keysAndValues, node: 0, count: 12),
                Whereabouts.Count(.threads, node: 2, count: 1),
            ], refusals: ["mbind refused: EPERM", "é"], hugePageByteCount: 2 << 20,
            lockedByteCount: 4096)
        let message = Message(byteCount: Self.base + facts.messageByteCount) {
            facts.encode(into: &$0)
        }
        let decoded = try message.read { (bytes) throws(LinkError) in
            try WorkerFacts(decoding: bytes)
        }
        #expect(decoded == facts)
        #expect(decoded.whereabouts.counts(of: .weights) == [1023: 4_000_000])
        #expect(decoded.whereabouts.refusals.count == 2)
        let bytes = message.bytes
        for byteCount in [bytes.count - 1, bytes.count - 8, Self.base + 89] {
            expectCorrupt("facts of") { () throws(LinkError) in
                let cut = Message(byteCount: byteCount) { target in
                    for (index, byte) in bytes.prefix(byteCount).enumerated() {
                        target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
                    }
                }
                try cut.read { (bytes) throws(LinkError) in _ = try WorkerFacts(decoding: bytes) }
            }
        }
    }

    @Test func `However much there is to tell, facts fit the smallest ring`() {
        let whereabouts = Whereabouts(
            counts: (0..<500).map { Whereabouts.Count(.weights, node: $0, count: $0) },
            refusals: [String(repeating: "é", count: 5000)])
        var facts = WorkerFacts(
            weightByteCount: 0, keyValueByteCount: 0, node: 0, pagesOnNode: 0, pagesElsewhere: 0,
            pagesUntouched: 0, processorNanoseconds: 0, privateDirtyByteCount: 0)
        facts.whereabouts = whereabouts
        #expect(Self.base + facts.messageByteCount <= 2048 - 16)
        #expect(whereabouts.counts.count == Whereabouts.maximumCountCount)
        #expect(whereabouts.counts(of: .weights)[499] == 499)
    }

    @Test func `Facts of another size are refused`() {
        for byteCount in [0, 32, 119, 121, 4000] {
            expectCorrupt("facts of \(byteCount) bytes") { () throws(LinkError) in
                try Message(byteCount: byteCount).read { (bytes) throws(LinkError) in
                    try WorkerFacts(decoding: bytes)
                }
            }
        }
    }

    @Test func `A work report is read as it was written, whatever follows`() throws {
        var random = SplitMix64(seed: 4)
        for round in 0..<50 {
            func field() -> UInt64 { round == 0 ? .max : random.next() }
            let report = WorkReport(
                busyPicoseconds: field(), readPicoseconds: field(), multiplyPicoseconds: field(),
                readByteCount: field(), multiplyAccumulateCount: field())
            let message = Message(byteCount: Self.base + WorkReport.byteCount + round) {
                report.encode(into: &$0)
            }
            let decoded = try message.read { (bytes) throws(LinkError) in
                try WorkReport(decoding: bytes)
            }
            #expect(decoded == report)
        }
        for byteCount in [0, 32, Self.base + WorkReport.byteCount - 1] {
            expectCorrupt("reply of \(byteCount) bytes") { () throws(LinkError) in
                try Message(byteCount: byteCount).read { (bytes) throws(LinkError) in
                    try WorkReport(decoding: bytes)
                }
            }
        }
    }

    @Test func `A clock setting is read as it was written, and no other size`() throws {
        let setting = ClockSetting(originNanoseconds: .max, dilationThousandths: 1500)
        let message = Message(byteCount: Self.base + ClockSetting.byteCount) {
            setting.encode(into: &$0)
        }
        let decoded = try message.read { (bytes) throws(LinkError) in
            try ClockSetting(decoding: bytes)
        }
        #expect(decoded == setting)
        for byteCount in [0, 32, 47, 49] {
            expectCorrupt("clock setting of \(byteCount) bytes") { () throws(LinkError) in
                try Message(byteCount: byteCount).read { (bytes) throws(LinkError) in
                    try ClockSetting(decoding: bytes)
                }
            }
        }
    }
}
