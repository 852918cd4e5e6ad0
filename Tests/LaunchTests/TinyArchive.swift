import SeededRandom

/// A small NumPy archive of drawn activity, as numpy.savez would write it.
struct TinyArchive {
    var layers = 3
    var neurons = 96
    var tokens = 40
    var prefill = 16
    var seed: UInt64 = 1

    /// The file's bytes: a ZIP archive without compression.
    var bytes: [UInt8] {
        var archive = StoredArchive()
        archive.add("masks.npy", Self.array("|u1", [tokens, layers, neurons / 8], masks))
        archive.add(
            "ids.npy",
            Self.array("<i4", [tokens], (0..<tokens).flatMap { little(UInt32($0 % 256), 4) }))
        archive.add("prefill.npy", Self.array("<i8", [], little(UInt32(prefill), 8)))
        return archive.finished()
    }

    /// Every neuron has a frequency of its own, so that there is something to predict.
    private var masks: [UInt8] {
        var random = SplitMix64(seed: seed)
        let levels = (0..<layers * neurons).map { _ in random.next() % 256 }
        return (0..<tokens).flatMap { _ in
            stride(from: 0, to: layers * neurons, by: 8).map { first in
                (0..<8).reduce(UInt8(0)) { byte, bit in
                    byte << 1 | (random.next() % 256 < levels[first + bit] ? 1 : 0)
                }
            }
        }
    }

    private static func array(_ type: String, _ shape: [Int], _ content: [UInt8]) -> [UInt8] {
        let sizes = shape.map { "\($0)," }.joined(separator: " ")
        var header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
        // The content begins at a multiple of 64; magic, version and length take 10.
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        return [0x93] + Array("NUMPY".utf8) + [1, 0] + little(UInt32(header.utf8.count), 2)
            + Array(header.utf8) + content
    }
}

/// The lowest bytes of a number, least significant first.
private func little(_ value: UInt32, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { $0 < 4 ? UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) : 0 }
}

/// A ZIP archive in the making.
private struct StoredArchive {
    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var entryCount: UInt32 = 0

    mutating func add(_ name: String, _ content: [UInt8]) {
        let size = little(UInt32(content.count), 4)
        let facts =
            little(20, 2) + little(0, 8) + little(Self.checksum(content), 4) + size + size
            + little(UInt32(name.utf8.count), 2) + little(0, 2)
        directory +=
            Array("PK\u{1}\u{2}".utf8) + little(20, 2) + facts + little(0, 10)
            + little(UInt32(bytes.count), 4) + Array(name.utf8)
        bytes += Array("PK\u{3}\u{4}".utf8) + facts + Array(name.utf8) + content
        entryCount += 1
    }

    func finished() -> [UInt8] {
        bytes + directory + Array("PK\u{5}\u{6}".utf8) + little(0, 4) + little(entryCount, 2)
            + little(entryCount, 2) + little(UInt32(directory.count), 4)
            + little(UInt32(bytes.count), 4) + little(0, 2)
    }

    /// CRC-32 of ISO 3309, bit by bit.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { checksum, byte in
            (0..<8).reduce(checksum ^ UInt32(byte)) { value, _ in
                value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0)
            }
        }
    }
}
