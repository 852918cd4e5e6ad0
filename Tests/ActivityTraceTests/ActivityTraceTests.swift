import ActivityTrace
import Foundation
import PackedSets
import SystemPackage
import TemporaryFiles
import Testing

/// Activity traces that are in order: written, and read back.
@Suite struct ActivityTraceTests {
    private static func blocks(_ neuronCounts: [Int]) -> [TraceBlock] {
        neuronCounts.enumerated().map {
            TraceBlock(name: "block \($0.offset)", neuronCount: $0.element)
        }
    }

    private static let small = Activity(
        seed: 1, layers: 3, blocks: blocks([64, 130]), tokens: 12, prefill: 5, density: 0.3,
        methods: ["conditional", "jaccard"])

    // MARK: What was written comes back

    @Test(arguments: [[1], [63], [64], [65], [64, 65], [1, 200, 3]], [0, 1, 2, 70])
    func `A trace holds what was written`(neuronCounts: [Int], tokens: Int) throws {
        for (seed, density) in [0, 0.02, 0.5, 1].enumerated() {
            let activity = Activity(
                seed: UInt64(seed), layers: 1 + seed, blocks: Self.blocks(neuronCounts),
                tokens: tokens, prefill: tokens / 2, density: density, change: 0.5,
                methods: Array(["conditional", "jaccard"].prefix(seed)))
            let content = try readWhole(try activity.encoded())
            #expect(content.header == activity.header)
            #expect(content.frames.map(\.tokenIndex) == Array(0..<tokens))
            #expect(content.frames.map(\.tokenID) == activity.tokenIDs)
            #expect(content.frames.map(\.sets) == activity.sets)
            #expect(content.frames.map(\.isPrefill) == (0..<tokens).map { $0 < tokens / 2 })
            #expect(content.parents == activity.parents)
            if tokens > 0 {
                #expect(content.decodeCounts == activity.counts(tokens / 2..<tokens))
                #expect(content.wholeCounts == activity.counts(0..<tokens))
            }
        }
    }

    @Test func `The largest token and a trace that is all prefill are kept`() throws {
        let header = TraceHeader(
            modelName: "", modelSHA256: "", source: "",
            shape: TraceShape(layerCount: 1, blocks: Self.blocks([3])), prefillTokenCount: 1)
        try withTemporaryFolder { folder in
            let path = folder.appending("trace.hat")
            var writer = try ActivityTraceWriter.create(path, header: header)
            try writer.append(tokenID: Int(UInt32.max), sets: [.full(elementCount: 3)])
            #expect(writer.tokenCount == 1)
            let summary = try writer.finish()
            #expect(summary.tokenCount == 1)
            #expect(try content(of: path).count == summary.byteCount)
            let read = try readWhole(path)
            #expect(read.header == header)
            #expect(read.frames[0].tokenID == Int(UInt32.max))
            #expect(read.frames[0][layer: 0, block: 0].members == [0, 1, 2])
            #expect(read.decodeCounts == [0, 0, 0])
            #expect(read.wholeCounts == [1, 1, 1])
        }
    }

    @Test func `Layers and blocks are found by position and by name`() throws {
        let shape = Self.small.header.shape
        #expect(shape.neuronsPerLayer == 194)
        #expect(shape.neuronCount == 582)
        #expect(shape.range(layer: 0, block: 0) == 0..<64)
        #expect(shape.range(layer: 2, block: 1) == 452..<582)
        #expect(shape.blockIndex(named: "block 1") == 1)
        #expect(shape.blockIndex(named: "mlp") == nil)
        let frame = try readWhole(try Self.small.encoded()).frames[7]
        #expect(frame[layer: 2, block: 1] == Self.small.sets[7][5])
        #expect(frame[layer: 1, block: 0] == Self.small.sets[7][2])
    }

    @Test func `The largest block and frames larger than the read-ahead work`() throws {
        var set = PackedSet(elementCount: 1 << 24)
        var sets: [[PackedSet]] = []
        for step in [3, 5, 7] {
            for neuron in stride(from: step, to: 1 << 24, by: step) {
                set.insert(neuron &* 0x9E37_79B1 & (1 << 24 - 1))
            }
            sets.append([set])
        }
        let header = TraceHeader(
            modelName: "wide", modelSHA256: "", source: "",
            shape: TraceShape(layerCount: 1, blocks: Self.blocks([1 << 24])),
            prefillTokenCount: 0)
        try withTemporaryFolder { folder in
            let path = folder.appending("wide.hat")
            var writer = try ActivityTraceWriter.create(path, header: header)
            for sets in sets { try writer.append(tokenID: 1, sets: sets) }
            _ = try writer.finish()
            var reader = try ActivityTraceReader.open(path)
            var frame = TraceFrame(shape: header.shape)
            for sets in sets {
                #expect(try reader.readNext(into: &frame))
                #expect(frame.sets == sets)
            }
            #expect(try !reader.readNext(into: &frame))
        }
    }

    // MARK: Streaming

    @Test func `Rewinding begins again, from anywhere, and the end stays the end`() throws {
        try withTemporaryFile(try Self.small.encoded()) { path in
            var reader = try ActivityTraceReader.open(path)
            #expect(reader.tokenCount == 12)
            #expect(reader.parentTableNames == ["conditional", "jaccard"])
            for stop in [0, 1, 6, 12] {
                for token in 0..<stop {
                    #expect(try reader.next()?.sets == Self.small.sets[token])
                }
                if stop == 12 {
                    #expect(try reader.next() == nil)
                    #expect(try reader.next() == nil)
                }
                reader.rewind()
            }
            #expect(try reader.next()?.tokenIndex == 0)
            try reader.verify()
            #expect(try reader.next()?.tokenIndex == 0)
        }
    }

    @Test func `A frame is filled in place, and kept when there is no token`() throws {
        try withTemporaryFile(try Self.small.encoded()) { path in
            var reader = try ActivityTraceReader.open(path)
            var frame = TraceFrame(shape: reader.header.shape)
            #expect(frame.sets.allSatisfy { $0.isEmpty })
            for token in 0..<12 {
                #expect(try reader.readNext(into: &frame))
                #expect(frame.tokenIndex == token)
                #expect(frame.sets == Self.small.sets[token])
            }
            let last = frame
            #expect(try !reader.readNext(into: &frame))
            #expect(frame == last)
        }
    }

    @Test func `Tables may be read between tokens`() throws {
        try withTemporaryFile(try Self.small.encoded()) { path in
            var reader = try ActivityTraceReader.open(path)
            for token in 0..<12 {
                #expect(try reader.next()?.sets == Self.small.sets[token])
                #expect(try reader.activationCounts(of: .whole) == Self.small.counts(0..<12))
                #expect(try reader.parents(named: "jaccard") == Self.small.parents[1])
            }
        }
    }

    @Test func `Parents that the trace lacks are refused with what it has`() throws {
        try withTemporaryFile(try Self.small.encoded()) { path in
            var reader = try ActivityTraceReader.open(path)
            let error = refusal { _ = try reader.parents(named: "none") }
            #expect(
                error?.description
                    == "'\(path)': the directory has no parents named 'none'"
                    + " (there are: conditional, jaccard)")
        }
    }

    // MARK: Size

    @Test func `Equal activity gives equal bytes`() throws {
        #expect(try Self.small.encoded() == Self.small.encoded())
    }

    @Test func `Neither activity that lasts nor rare activity takes much room`() throws {
        func bytesPerToken(density: Double, change: Double) throws -> Double {
            func framesEnd(_ tokens: Int) throws -> Int {
                let bytes = try Activity(
                    seed: 9, layers: 4, blocks: Self.blocks([4096]), tokens: tokens,
                    density: density, change: change
                ).encoded()
                return bytes.suffix(24).prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            }
            return Double(try framesEnd(60) - framesEnd(20)) / 40
        }
        // 2048 bytes hold a token's bits, and a frame has 12 bytes of its own. Random halves do
        // not shrink. By entropy, 5 % active or 5 % changed neurons need 0.29 of the bytes.
        let halves = try bytesPerToken(density: 0.5, change: 1)
        #expect(halves == 2048 + 12)
        for (density, change) in [(0.05, 1), (0.95, 1), (0.5, 0.1)] {
            let byteCount = try bytesPerToken(density: density, change: change)
            #expect(byteCount > 0.28 * 2048)
            #expect(byteCount < 0.4 * 2048)
        }
    }

    // MARK: The file's name

    @Test func `A trace has its name only when it is finished`() throws {
        try withTemporaryFolder { folder in
            let path = folder.appending("trace.hat")
            try Data("old".utf8).write(to: URL(fileURLWithPath: path.string))
            var writer = try ActivityTraceWriter.create(path, header: Self.small.header)
            for sets in Self.small.sets { try writer.append(tokenID: 1, sets: sets) }
            #expect(try content(of: path) == Array("old".utf8))
            #expect(try names(in: folder).count == 2)
            _ = try writer.finish()
            #expect(try names(in: folder) == ["trace.hat"])
            #expect(try readWhole(path).frames.count == 12)
        }
    }

    @Test func `A writer that is given up leaves nothing behind`() throws {
        try withTemporaryFolder { folder in
            do {
                var writer = try ActivityTraceWriter.create(
                    folder.appending("trace.hat"), header: Self.small.header)
                try writer.append(tokenID: 1, sets: Self.small.sets[0])
                #expect(try names(in: folder).count == 1)
            }
            let left = try names(in: folder)
            #expect(left == [])
        }
    }

    @Test func `A trace that ends within its prefill is refused and leaves nothing`() throws {
        try withTemporaryFolder { folder in
            let found = breach {
                var writer = try ActivityTraceWriter.create(
                    folder.appending("trace.hat"), header: Self.small.header)
                for sets in Self.small.sets[..<4] { try writer.append(tokenID: 1, sets: sets) }
                _ = try writer.finish()
            }
            #expect(found?.place == .header)
            #expect(found?.rule == .outOfRange("prefill token count", value: 5, allowed: 0...4))
            let left = try names(in: folder)
            #expect(left == [])
        }
    }

    // MARK: What the system refuses

    @Test func `What the system refuses is named`() throws {
        try withTemporaryFolder { folder in
            let path = folder.appending("missing").appending("trace.hat")
            #expect(
                refusal { _ = try ActivityTraceWriter.create(path, header: Self.small.header) }
                    == .system(.create, file: path.string, cause: .noSuchFileOrDirectory))
            #expect(
                refusal { _ = try ActivityTraceReader.open(path) }
                    == .system(.open, file: path.string, cause: .noSuchFileOrDirectory))
            #expect(
                refusal { _ = try ActivityTraceReader.open(folder) }
                    == .refused(
                        file: folder.string, place: .file, rule: .notA("a regular file")))
            for name in ["", "/", ".."] {
                #expect(
                    refusal {
                        _ = try ActivityTraceWriter.create(
                            FilePath(name), header: Self.small.header)
                    } == .system(.create, file: name, cause: .isDirectory))
            }
            let pipe = folder.appending("pipe")
            #expect(unsafe mkfifo(pipe.string, 0o600) == 0)
            #expect(breach { _ = try ActivityTraceReader.open(pipe) }?.place == .file)
        }
    }

    @Test func `A folder that has the name stays`() throws {
        try withTemporaryFolder { folder in
            let path = folder.appending("trace.hat")
            try FileManager.default.createDirectory(
                atPath: path.string, withIntermediateDirectories: false)
            let error = refusal { _ = try Self.small.write(to: path) }
            #expect(error == .system(.rename, file: path.string, cause: .isDirectory))
            #expect(try names(in: folder) == ["trace.hat"])
        }
    }

    @Test func `A trace for which there is no room is refused for good`() async throws {
        let folder: String =
            FileManager.default.temporaryDirectory.path + "/hermes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(processExitsWith: .success) { [folder = folder as String] in
            // In a process of its own, because the limit holds for all that a process writes.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 900, rlim_max: 900)
            precondition(unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let path = FilePath(folder).appending("trace.hat")
            let expected = ActivityTraceError.system(
                .write, file: path.string, cause: .fileTooLarge)
            let found = refusal {
                var writer = try ActivityTraceWriter.create(path, header: Self.small.header)
                let first = refusal {
                    for sets in Self.small.sets { try writer.append(tokenID: 1, sets: sets) }
                }
                precondition(first == expected)
                precondition(writer.tokenCount < 12)
                for _ in 0..<2 {
                    let next = refusal { try writer.append(tokenID: 1, sets: Self.small.sets[0]) }
                    precondition(next == expected)
                }
                _ = try writer.finish()
            }
            precondition(found == expected)
            let left = try names(in: FilePath(folder))
            precondition(left == [])
        }
    }

    // MARK: Broken contracts

    @Test(arguments: ["sets", "neurons", "token", "parents", "names", "frame", "layer"])
    func `Activity of another shape traps`(mistake: String) async throws {
        let folder: String =
            FileManager.default.temporaryDirectory.path + "/hermes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await #expect(processExitsWith: .failure) { [mistake, folder = folder as String] in
            let small = Self.small
            let path = FilePath(folder).appending("trace.hat")
            var writer = try ActivityTraceWriter.create(path, header: small.header)
            var sets = small.sets[0]
            var frame = TraceFrame(
                shape: TraceShape(layerCount: 1, blocks: small.header.shape.blocks))
            for _ in 0..<5 { try writer.append(tokenID: 1, sets: sets) }
            switch mistake {
            case "sets": try writer.append(tokenID: 1, sets: sets.dropLast())
            case "neurons":
                sets.swapAt(0, 1)
                try writer.append(tokenID: 1, sets: sets)
            case "token": try writer.append(tokenID: -1, sets: sets)
            case "parents":
                var parents = small.parents[0].parents
                parents[0] = 0
                _ = try writer.finish(parents: [ParentTable(name: "a", parents: parents)])
            case "names":
                _ = try writer.finish(parents: [small.parents[0], small.parents[0]])
            case "layer": _ = small.header.shape.range(layer: 3, block: 0)
            default:
                _ = try writer.finish()
                var reader = try ActivityTraceReader.open(path)
                _ = try reader.readNext(into: &frame)
            }
        }
    }
}
