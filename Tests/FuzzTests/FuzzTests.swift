import Foundation
import FuzzTargets
import SeededRandom
import Testing

/// The kept corpus and mutations of it through every reader, in the ordinary build; launch/fuzz
/// searches with coverage as its guide. A finding is a trap: it ends the run.
@Suite struct FuzzTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Corpus")

    /// Names and contents, by name.
    private static func kept(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = corpus.appending(path: target.rawValue)
        // git keeps no empty folder.
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            ($0, [UInt8](try Data(contentsOf: folder.appending(path: $0))))
        }
    }

    /// HERMES_FUZZ_SEEDS=write writes them anew, after a change of format.
    @Test(arguments: FuzzTarget.allCases)
    func `The corpus holds what the program's own writers make`(target: FuzzTarget) throws {
        let isWriting = ProcessInfo.processInfo.environment["HERMES_FUZZ_SEEDS"] == "write"
        for (index, seed) in try target.madeSeeds().enumerated() {
            let name = "seed-made-\(index)"
            if isWriting {
                let folder = Self.corpus.appending(path: target.rawValue)
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
                try Data(seed).write(to: folder.appending(path: name))
            }
            #expect(try Self.kept(target).first { $0.name == name }?.bytes == seed)
        }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `A seed that is in order is accepted, or the target would test nothing`(
        target: FuzzTarget
    ) throws {
        let made = try target.madeSeeds()
        let named = try Self.kept(target).filter { $0.name.hasPrefix("seed-") }.map(\.bytes)
        #expect(!(made + named).isEmpty)
        for seed in made + named { #expect(target.run(seed)) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `What fuzzing found before is refused or read, and nothing traps`(
        target: FuzzTarget
    ) throws {
        for input in try Self.kept(target) { _ = target.run(input.bytes) }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `Mutations of the corpus are refused or read, and nothing traps`(
        target: FuzzTarget
    ) throws {
        let inputs = try target.madeSeeds() + Self.kept(target).map(\.bytes)
        var random = SplitMix64(seed: 0x5EED)
        let isLong = ["ci", "full"].contains(
            ProcessInfo.processInfo.environment["HERMES_TEST_LEVEL"])
        for _ in 0..<(isLong ? 4000 : 400) {
            var bytes = inputs[Int(random.next() % UInt64(inputs.count))]
            for _ in 0...random.next() % 4 { Self.mutate(&bytes, inputs, &random) }
            _ = target.run(bytes)
        }
    }

    /// One change: a bit, a byte, a number at its limits, a piece cut out, repeated or of another
    /// input.
    private static func mutate(
        _ bytes: inout [UInt8], _ inputs: [[UInt8]], _ random: inout SplitMix64
    ) {
        guard !bytes.isEmpty else { return bytes = [UInt8(truncatingIfNeeded: random.next())] }
        let place = Int(random.next() % UInt64(bytes.count))
        let length = min(Int(random.next() % 32), bytes.count - place)
        switch random.next() % 6 {
        case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2:
            let extreme: [UInt8] = [0, 0x7F, 0x80, 0xFF]
            let value = extreme[Int(random.next() % 4)]
            for index in place..<min(place + 1 << Int(random.next() % 4), bytes.count) {
                bytes[index] = value
            }
        case 3: bytes.removeSubrange(place..<place + length)
        case 4: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
        default:
            let other = inputs[Int(random.next() % UInt64(inputs.count))]
            let start = other.isEmpty ? 0 : Int(random.next() % UInt64(other.count))
            bytes.replaceSubrange(place..<place + length, with: other[start...].prefix(length))
        }
    }
}
