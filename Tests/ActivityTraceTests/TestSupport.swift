import ActivityTrace
import Foundation
import PackedSets
import SeededRandom
import SystemPackage
import TemporaryFiles

/// Runs `body` on an empty folder, and removes it with all that it holds.
func withTemporaryFolder<Value>(_ body: (FilePath) throws -> Value) throws -> Value {
    let name = "hermes-trace-test-\(UUID().uuidString)"
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(FilePath(folder.path))
}

/// What a folder holds, hidden files included.
func names(in folder: FilePath) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
}

func content(of path: FilePath) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path.string)))
}

/// CRC-32 as its definition says, bit by bit, with the polynomial of ISO 3309.
func referenceChecksum(_ bytes: [UInt8], from running: UInt32 = 0) -> UInt32 {
    var register = ~running
    for byte in bytes {
        register ^= UInt32(byte)
        for _ in 0..<8 {
            register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1
        }
    }
    return ~register
}

/// Bytes of numbers and texts, least significant first.
func little(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

func counted(_ text: String) -> [UInt8] { little(UInt16(text.utf8.count)) + Array(text.utf8) }

/// The error of a module's call; nil if it throws none.
func refusal(_ body: () throws -> Void) -> ActivityTraceError? {
    do {
        try body()
        return nil
    } catch {
        return error as? ActivityTraceError
    }
}

/// The rule that is broken, and where.
func breach(
    _ body: () throws -> Void
) -> (place: ActivityTraceError.Place, rule: ActivityTraceError.Rule)? {
    guard case .refused(_, let place, let rule)? = refusal(body) else { return nil }
    return (place, rule)
}

/// Reads all of a trace, tables included.
func readWhole(_ bytes: [UInt8]) throws -> TraceContent {
    try withTemporaryFile(bytes) { try readWhole($0) }
}

func readWhole(_ path: FilePath) throws -> TraceContent {
    var reader = try ActivityTraceReader.open(path)
    var frames: [TraceFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    try reader.verify()
    var parents: [ParentTable] = []
    for name in reader.parentTableNames { parents.append(try reader.parents(named: name)) }
    return TraceContent(
        header: reader.header, frames: frames,
        decodeCounts: try reader.activationCounts(of: .decode),
        wholeCounts: try reader.activationCounts(of: .whole), parents: parents)
}

struct TraceContent: Equatable {
    let header: TraceHeader
    let frames: [TraceFrame]
    let decodeCounts: [UInt32]
    let wholeCounts: [UInt32]
    let parents: [ParentTable]
}

/// Activity of a model that does not exist.
struct Activity {
    let header: TraceHeader
    let tokenIDs: [Int]
    let sets: [[PackedSet]]  // [tokens][layers × blocks]
    let parents: [ParentTable]

    /// - Parameters:
    ///   - density: the share of active neurons.
    ///   - change: the share of neurons that are drawn anew for each token.
    init(
        seed: UInt64, layers: Int, blocks: [TraceBlock], tokens: Int, prefill: Int = 0,
        density: Double, change: Double = 1, methods: [String] = []
    ) {
        var random = SplitMix64(seed: seed)
        let shape = TraceShape(layerCount: layers, blocks: blocks)
        header = TraceHeader(
            modelName: "model \(seed)", modelSHA256: String(repeating: "0f", count: 32),
            source: "generated, density \(density)", shape: shape, prefillTokenCount: prefill)
        tokenIDs = (0..<tokens).map { _ in Int(UInt32(truncatingIfNeeded: random.next())) }
        var current = (0..<layers).flatMap { _ in
            blocks.map { PackedSet(elementCount: $0.neuronCount) }
        }
        var sets: [[PackedSet]] = []
        for token in 0..<tokens {
            for index in current.indices {
                for neuron in 0..<current[index].elementCount
                where token == 0 || random.nextUnitInterval() < change {
                    if random.nextUnitInterval() < density {
                        current[index].insert(neuron)
                    } else {
                        current[index].remove(neuron)
                    }
                }
            }
            sets.append(current)
        }
        self.sets = sets
        parents = methods.map { name in
            var parents = [UInt32](repeating: ParentTable.none, count: 2 * shape.neuronCount)
            for layer in 1..<max(1, layers) {
                for (block, neurons) in blocks.map(\.neuronCount).enumerated() {
                    for neuron in shape.range(layer: layer, block: block)
                    where !random.next().isMultiple(of: 5) {
                        parents[2 * neuron] = UInt32.random(
                            in: 0..<UInt32(neurons), using: &random)
                        parents[2 * neuron + 1] = UInt32(neurons - 1)
                    }
                }
            }
            return ParentTable(name: name, parents: parents)
        }
    }

    func write(to path: FilePath) throws -> TraceSummary {
        var writer = try ActivityTraceWriter.create(path, header: header)
        for (tokenID, sets) in zip(tokenIDs, sets) {
            try writer.append(tokenID: tokenID, sets: sets)
        }
        return try writer.finish(parents: parents)
    }

    func encoded() throws -> [UInt8] {
        try withTemporaryFolder { folder in
            _ = try write(to: folder.appending("trace.hat"))
            return try content(of: folder.appending("trace.hat"))
        }
    }

    /// Counts over some tokens, one neuron at a time.
    func counts(_ tokens: Range<Int>) -> [UInt32] {
        sets[0].indices.flatMap { index in
            (0..<sets[0][index].elementCount).map { neuron in
                UInt32(tokens.count { sets[$0][index].contains(neuron) })
            }
        }
    }
}
