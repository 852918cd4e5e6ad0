import ActivityTrace
import PackedSets
import SeededRandom
import SystemPackage
import TemporaryFiles
import Testing

/// Activity traces that are damaged, or were made to do harm: each is refused by name.
@Suite struct ActivityTraceDamageTests {
    private typealias Rule = ActivityTraceError.Rule
    private typealias Place = ActivityTraceError.Place

    /// Expects that a handmade trace with one change breaks one rule at one place.
    private func expectRefusal(
        _ place: Place, _ rule: Rule, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout HandmadeTrace) -> Void
    ) {
        var trace = HandmadeTrace()
        change(&trace)
        let found = breach { _ = try readWhole(trace.encoded) }
        #expect(found?.place == place, sourceLocation: sourceLocation)
        #expect(found?.rule == rule, sourceLocation: sourceLocation)
    }

    // MARK: The byte layout

    @Test func `A file made from the description alone is read`() throws {
        let content = try readWhole(HandmadeTrace().encoded)
        #expect(
            content.header
                == TraceHeader(
                    modelName: "tiny", modelSHA256: "", source: "by hand",
                    shape: HandmadeTrace.shape, prefillTokenCount: 0))
        let active = [[0], [1, 69]]
        let expected = [active, [[], []], [[], []], active]
        #expect(content.frames.map { $0.sets.map(\.members) } == expected)
        #expect(content.frames.map(\.tokenID) == [7, 8, 9, 10])
        #expect(content.decodeCounts == HandmadeTrace.counts)
        #expect(content.wholeCounts == HandmadeTrace.counts)
        #expect(
            content.parents == [ParentTable(name: "jaccard", parents: HandmadeTrace.parents)])
    }

    @Test func `A header is written as described`() throws {
        try withTemporaryFolder { folder in
            let path = folder.appending("trace.hat")
            let header = TraceHeader(
                modelName: "tiny", modelSHA256: "", source: "by hand",
                shape: HandmadeTrace.shape, prefillTokenCount: 0)
            _ = try ActivityTraceWriter.create(path, header: header).finish()
            let bytes = try content(of: path)
            #expect(bytes.starts(with: HandmadeTrace().header))
            #expect(bytes.suffix(4).elementsEqual("HEND".utf8))
        }
    }

    // MARK: Damage anywhere

    private static let subjects = ["handmade", "written"]

    private func subject(_ name: String) throws -> [UInt8] {
        guard name == "written" else { return HandmadeTrace().encoded }
        return try Activity(
            seed: 5, layers: 2,
            blocks: [
                TraceBlock(name: "qkv", neuronCount: 40), TraceBlock(name: "mlp", neuronCount: 90),
            ], tokens: 6, prefill: 2, density: 0.1, change: 0.2, methods: ["conditional"]
        ).encoded()
    }

    @Test(arguments: subjects) func `Every flipped bit is refused`(name: String) throws {
        let bytes = try subject(name)
        _ = try readWhole(bytes)
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= 1 << bit
                if breach({ _ = try readWhole(damaged) }) == nil {
                    Issue.record("bit \(bit) of byte \(offset) is not missed")
                }
            }
        }
    }

    @Test(arguments: subjects) func `A file cut anywhere is refused`(name: String) throws {
        let bytes = try subject(name)
        for count in bytes.indices
        where breach({ _ = try readWhole(Array(bytes.prefix(count))) }) == nil {
            Issue.record("\(count) bytes are taken for a trace")
        }
        #expect(breach { _ = try readWhole(bytes + [0]) }?.place == .footer)
    }

    @Test func `Bytes that change together with their checksums never trap`() throws {
        let trace = HandmadeTrace()
        let byteCount = trace.encoded.count
        #expect(trace.encoded(replacing: []) == trace.encoded)
        var random = SplitMix64(seed: 11)
        var refusals = 0
        let attempts = 4000
        for _ in 0..<attempts {
            let replacements = (0...Int.random(in: 0..<3, using: &random)).map { _ in
                // Half of them outside the tables, which are most of the file.
                let offset = Int.random(in: 0..<byteCount, using: &random)
                let isAnywhere = Bool.random(using: &random)
                return (
                    isAnywhere ? offset : offset % 250,
                    UInt8(truncatingIfNeeded: random.next() >> random.next() % 8)
                )
            }
            let bytes = trace.encoded(replacing: replacements)
            do {
                _ = try readWhole(bytes)
            } catch is ActivityTraceError {
                refusals += 1
            }
        }
        // What is accepted has another name or token, or the bytes that it had before.
        #expect(refusals > attempts / 2)
        #expect(refusals < attempts)
    }

    @Test func `Frames that are dropped, doubled or swapped are refused`() throws {
        let bytes = HandmadeTrace().encoded
        let start = HandmadeTrace().header.count
        let (first, second) = (start..<start + 44, start + 44..<start + 60)
        let third = start + 60..<start + 76
        func reordered(_ ranges: [Range<Int>]) -> [UInt8] {
            bytes[..<start] + ranges.flatMap { bytes[$0] } + bytes[third.upperBound...]
        }
        #expect(reordered([first, second, third]) == bytes)
        for ranges in [[first, third, second], [first, second, second], [second, third, first]] {
            let found = breach { _ = try readWhole(reordered(ranges)) }
            #expect(found?.rule == .checksum)
        }
    }

    @Test func `A damaged frame is refused again, and frames before it can be read`() throws {
        var bytes = HandmadeTrace().encoded
        let start = HandmadeTrace().header.count
        bytes[start + 44 + 9] ^= 4
        try withTemporaryFile(bytes) { path in
            var reader = try ActivityTraceReader.open(path)
            for _ in 0..<2 {
                #expect(try reader.next()?.tokenID == 7)
                for _ in 0..<2 {
                    let found = breach { _ = try reader.next() }
                    #expect(found?.place == .frame(1, byteOffset: start + 44))
                    #expect(found?.rule == .checksum)
                }
                reader.rewind()
            }
        }
    }

    @Test func `Another kind of file is called that`() throws {
        #expect(breach { _ = try readWhole([]) }?.place == .header)
        let found = breach { _ = try readWhole(Array(repeating: 0x50, count: 500)) }
        #expect(found?.rule == .notA("an activity trace"))
    }

    // MARK: Headers

    @Test func `Other versions are refused by number`() {
        for version: UInt32 in [0, 2, .max] {
            expectRefusal(.header, .version(Int(version), supported: 1)) { $0.version = version }
        }
    }

    @Test func `Absurd sizes are refused before room is made for them`() {
        let neurons = 1...(1 << 24)
        for count: UInt32 in [0, 4097, .max] {
            expectRefusal(
                .header, .outOfRange("layer count", value: Int(count), allowed: 1...4096)
            ) { $0.layerCount = count }
        }
        for count: UInt32 in [0, 17, .max] {
            expectRefusal(
                .header, .outOfRange("block count", value: Int(count), allowed: 1...16)
            ) { $0.blockCount = count }
        }
        for count: UInt32 in [0, 1 << 24 + 1, .max] {
            expectRefusal(
                .header, .outOfRange("neuron count", value: Int(count), allowed: neurons)
            ) { $0.blocks[0].neuronCount = count }
        }
        expectRefusal(
            .header,
            .outOfRange("neuron count of all layers", value: 2 << 24, allowed: neurons)
        ) { $0.blocks[0].neuronCount = 1 << 24 }
        expectRefusal(
            .header, .outOfRange("length in bytes", value: 6343, allowed: 45...6342)
        ) { $0.headerByteCount = 6343 }
        expectRefusal(
            .header, .outOfRange("prefill token count", value: 5, allowed: 0...4)
        ) { $0.prefill = 5 }
        // The largest shape passes as a shape, but tables that large cannot be in so few bytes.
        expectRefusal(
            .directory,
            .outOfRange(
                "stored length of a table in bytes", value: 560, allowed: 1 << 26...1 << 26)
        ) {
            $0.layerCount = 1
            $0.blocks[0].neuronCount = 1 << 24
        }
        expectRefusal(
            .directory,
            .outOfRange(
                "stored length of a table in bytes", value: 560,
                allowed: (1 << 26 + 1031) / 1032...(1 << 26 - 1))
        ) {
            $0.layerCount = 1
            $0.blocks[0].neuronCount = 1 << 24
            $0.tables[0].form = HandmadeTrace.deflated | 560
        }
    }

    @Test func `Texts of the header are checked`() {
        func length(_ name: String, _ value: Int, _ allowed: ClosedRange<Int>) -> Rule {
            .outOfRange("length of the \(name) in bytes", value: value, allowed: allowed)
        }
        expectRefusal(.header, length("block name", 0, 1...64)) { $0.blocks[0].name = "" }
        expectRefusal(.header, length("block name", 65, 1...64)) {
            $0.blocks[0].name = String(repeating: "b", count: 65)
        }
        expectRefusal(.header, length("model name", 1025, 0...1024)) {
            $0.modelName = counted(String(repeating: "m", count: 1025))
        }
        expectRefusal(.header, length("source", 4097, 0...4096)) {
            $0.source = counted(String(repeating: "s", count: 4097))
        }
        expectRefusal(.header, .contains("two blocks of one name")) {
            $0.blocks.append($0.blocks[0])
        }
        expectRefusal(.header, .contains("a model name that is not UTF-8")) {
            $0.modelName = [1, 0, 0xFF]
        }
        for hash in ["abc", String(repeating: "A", count: 64), String(repeating: "g", count: 64)] {
            expectRefusal(
                .header, .contains("a model SHA-256 that is not 64 hexadecimal digits")
            ) { $0.modelSHA256 = hash }
        }
        expectRefusal(.header, .contains("3 bytes after its last field")) {
            $0.headerTail = [1, 2, 3]
        }
        expectRefusal(.header, .truncated(neededByteCount: 4000, availableByteCount: 7)) {
            $0.source = little(UInt16(4000)) + Array("by hand".utf8)
        }
    }

    @Test func `A header that could not be read is not written`() throws {
        func header(
            name: String = "", hash: String = "", source: String = "", layers: Int = 1,
            blocks: [TraceBlock] = [TraceBlock(name: "mlp", neuronCount: 8)], prefill: Int = 0
        ) -> TraceHeader {
            TraceHeader(
                modelName: name, modelSHA256: hash, source: source,
                shape: TraceShape(layerCount: layers, blocks: blocks),
                prefillTokenCount: prefill)
        }
        let block = TraceBlock(name: "mlp", neuronCount: 8)
        let headers = [
            header(name: String(repeating: "m", count: 1025)), header(hash: "12"),
            header(source: String(repeating: "s", count: 4097)), header(layers: 0),
            header(layers: 4097), header(blocks: []), header(blocks: [block, block]),
            header(blocks: [TraceBlock(name: "", neuronCount: 8)]),
            header(blocks: [TraceBlock(name: "mlp", neuronCount: 0)]),
            header(layers: 2, blocks: [TraceBlock(name: "mlp", neuronCount: 1 << 23 + 1)]),
            header(layers: 4096, blocks: [TraceBlock(name: "mlp", neuronCount: .max)]),
            header(prefill: -1), header(prefill: 1 << 32),
        ]
        try withTemporaryFolder { folder in
            let path = folder.appending("trace.hat")
            for header in headers {
                let found = breach { _ = try ActivityTraceWriter.create(path, header: header) }
                #expect(found?.place == .header)
            }
            let left = try names(in: folder)
            #expect(left == [])
        }
    }

    // MARK: Frames

    @Test func `Frames that break a rule are refused, whatever their checksum`() {
        let start = HandmadeTrace().header.count
        let deflated = HandmadeTrace.deflated
        let wrongBits = Rule.contains("deflated data that do not give its bits")
        for (form, allowed): (UInt32, ClosedRange<Int>) in [
            (31, 32...32), (0x3FFF_FFFF, 32...32), (deflated, 1...31), (deflated | 32, 1...31),
        ] {
            let value = Int(form & 0x3FFF_FFFF)
            expectRefusal(
                .frame(0, byteOffset: start),
                .outOfRange("payload length in bytes", value: value, allowed: allowed)
            ) { $0.frames[0].form = form }
        }
        expectRefusal(.frame(0, byteOffset: start), .contains("a difference from no token")) {
            $0.frames[0].form |= HandmadeTrace.difference
        }
        expectRefusal(
            .frame(0, byteOffset: start), .contains("an active neuron past the last of 'mlp'")
        ) { $0.frames[0].payload = HandmadeTrace.words([1, 1 << 6, 2, 0]) }
        let payloads: [[UInt8]] = [
            HandmadeTrace.deflatedTooMuch, HandmadeTrace.deflatedZeros + [0], [0x07, 0, 0, 0],
            Array(HandmadeTrace.deflatedZeros.prefix(3)), [0x03, 0x00],
        ]
        for payload in payloads {
            expectRefusal(.frame(1, byteOffset: start + 44), wrongBits) {
                $0.frames[1].payload = payload
                $0.frames[1].form = deflated | UInt32(payload.count)
            }
        }
    }

    @Test func `Frames and their number belong together`() {
        let start = HandmadeTrace().header.count
        let other = Rule.contains("other frames than were written")
        expectRefusal(.frame(3, byteOffset: start + 76), other) { $0.tokenCount = 3 }
        expectRefusal(.frame(4, byteOffset: start + 120), other) { $0.framesTail = [0] }
        expectRefusal(.frame(4, byteOffset: start + 120), other) { $0.lastFrameChecksum = 1 }
        expectRefusal(
            .frame(4, byteOffset: start + 120),
            .truncated(neededByteCount: 12, availableByteCount: 0)
        ) { $0.tokenCount = 5 }
        expectRefusal(
            .frame(4, byteOffset: start + 120),
            .truncated(neededByteCount: 44, availableByteCount: 12)
        ) {
            $0.tokenCount = 5
            $0.framesTail = little(UInt32(32)) + [UInt8](repeating: 0, count: 8)
        }
        expectRefusal(
            .directory, .outOfRange("token count", value: 11, allowed: 0...10)
        ) { $0.tokenCount = 11 }
    }

    // MARK: Tables

    @Test func `The directory is checked`() throws {
        expectRefusal(.directory, .outOfRange("table count", value: 1, allowed: 2...18)) {
            $0.tableCount = 1
        }
        expectRefusal(.directory, .outOfRange("kind of table 1", value: 1, allowed: 2...2)) {
            $0.tables[1].kind = 1
        }
        expectRefusal(.directory, .outOfRange("kind of table 2", value: 4, allowed: 3...3)) {
            $0.tables[2].kind = 4
        }
        expectRefusal(.directory, .contains("a table that is stored as a difference")) {
            $0.tables[0].form = 560 | HandmadeTrace.difference
        }
        expectRefusal(.directory, .contains("two tables of one name")) {
            $0.tables.append($0.tables[2])
        }
        expectRefusal(
            .directory,
            .outOfRange("length of the table name in bytes", value: 1, allowed: 0...0)
        ) { $0.tables[0].name = "a" }
        expectRefusal(.directory, .contains("1 bytes after its last field")) {
            $0.directoryTail = [0]
        }
        expectRefusal(.directory, .contains("tables that do not end where it begins")) {
            $0.framesTail = [0]
            $0.framesEnd = UInt64($0.header.count + 120)
        }
        let (start, end) = (HandmadeTrace().header.count, HandmadeTrace().encoded.count - 24)
        expectRefusal(
            .footer, .outOfRange("end of the frames", value: .max, allowed: start...end)
        ) { $0.framesEnd = .max }
        expectRefusal(
            .footer,
            .outOfRange("directory offset", value: .max, allowed: start + 120...end)
        ) { $0.directoryOffset = .max }
    }

    @Test func `Values of tables are checked`() {
        func planes(_ base: [UInt32], _ index: Int, _ value: UInt32) -> [UInt8] {
            var values = base
            values[index] = value
            return HandmadeTrace.planes(values)
        }
        let counts = HandmadeTrace.counts
        let (decode, whole) = ("activations of the decode part", "activations of the whole")
        expectRefusal(.table(decode), .contains("other counts than the frames")) {
            $0.tables[0].payload = planes(counts, 5, 1)
        }
        expectRefusal(.table(whole), .contains("other counts than the frames")) {
            $0.tables[1].payload = planes(counts, 139, 1)
        }
        expectRefusal(.table(whole), .outOfRange("count", value: 5, allowed: 0...4)) {
            $0.tables[1].payload = planes(counts, 0, 5)
        }
        let parents = HandmadeTrace.parents
        expectRefusal(.table("jaccard"), .contains("a parent in layer 0")) {
            $0.tables[2].payload = planes(parents, 139, 0)
        }
        expectRefusal(.table("jaccard"), .outOfRange("parent", value: 70, allowed: 0...69)) {
            $0.tables[2].payload = planes(parents, 279, 70)
        }
        expectRefusal(
            .table(whole), .contains("deflated data that do not give its values")
        ) {
            $0.tables[1].payload = HandmadeTrace.deflatedZeros
            $0.tables[1].form = HandmadeTrace.deflated | 4
        }
    }
}
