import ModelFile
import TestModels
import Testing

/// Files whose container is broken, each in one way.
@Suite struct ContainerErrorTests {
    @Test func `Bytes that do not begin with GGUF are refused`() {
        #expect(throws: error(.notGGUF(firstBytes: []))) { try readWhole([]) }
        for bytes in [Array("G?UF".utf8), Array("ggml0123".utf8), [0]] {
            #expect(throws: error(.notGGUF(firstBytes: Array(bytes.prefix(4))))) {
                try readWhole(bytes)
            }
        }
        #expect(throws: error(.truncated(needed: 4, available: 2))) {
            try readWhole(Array("GG".utf8))
        }
    }

    @Test(arguments: [0, 1, 4, 65_535, 65_536 + 0x4000, .max] as [UInt32])
    func `Versions other than 2 and 3 are refused by number`(version: UInt32) {
        var builder = GGUFBuilder()
        builder.version = version
        let expected = ModelFileError(
            file: "test", place: .byte(4), rule: .unsupportedVersion(version))
        // 0x14000 reads as 0x00400100 when swapped, which is no version either.
        #expect(throws: expected) { try readWhole(builder.build()) }
        #expect(expected.description.contains("version \(version) is not supported"))
    }

    @Test func `A big-endian file is refused by name, however it swaps its magic`() {
        var builder = GGUFBuilder()
        for version in [1, 2, 3] as [UInt32] {
            builder.version = version.byteSwapped
            #expect(
                throws: ModelFileError(file: "test", place: .byte(4), rule: .bigEndian)
            ) { try readWhole(builder.build()) }
        }
        let swapped = Array("FUGG".utf8) + [0, 0, 0, 3]
        #expect(throws: error(.bigEndian)) { try readWhole(swapped) }
    }

    @Test func `A count that the file cannot hold is refused before anything is allocated`() {
        for count in [100, 1 << 32, .max] as [UInt64] {
            var builder = GGUFBuilder()
            builder.declaredTensorCount = count
            #expect(
                throws: ModelFileError(
                    file: "test", place: .byte(24),
                    rule: .countExceedsFile("tensors", count: count, remainingBytes: 0))
            ) { try readWhole(builder.build()) }
            builder.declaredTensorCount = nil
            builder.declaredKeyCount = count
            #expect(
                throws: ModelFileError(
                    file: "test", place: .byte(24),
                    rule: .countExceedsFile("metadata keys", count: count, remainingBytes: 0))
            ) { try readWhole(builder.build()) }
        }
    }

    @Test(arguments: [4, 8, 10, 12] as [UInt32], [1 << 20, 1 << 61, .max] as [UInt64])
    func `An array cannot claim more elements than bytes are left`(type: UInt32, count: UInt64) {
        var bytes = GGUFBuilder().build()
        bytes[16] = 1  // one key
        bytes += key("a", typeCode: 9)
        bytes.append(littleEndian: type)
        bytes.append(littleEndian: count)
        bytes += [UInt8](repeating: 0, count: 64)
        #expect(
            throws: ModelFileError(
                file: "test", place: .byte(bytes.count - 64),
                rule: .countExceedsFile("array elements", count: count, remainingBytes: 64))
        ) { try readWhole(bytes) }
    }

    @Test func `Arrays may nest four deep and no deeper`() throws {
        var value = GGUFValue.array(elementTypeCode: 0, [.uint8(7), .uint8(8)])
        for _ in 1..<4 { value = .array(elementTypeCode: 9, [value, value]) }
        var builder = TinyLlama.builder()
        builder["nested"] = value
        let file = try ModelFile.parse(builder.build(), name: "nested")
        #expect(try file.metadata.arrayCount("nested") == 2)

        builder["nested"] = .array(elementTypeCode: 9, [value])
        #expect(refusal(of: builder)?.rule == .arraysNestedTooDeeply(limit: 4))
    }

    @Test func `A string cannot be longer than the file`() {
        for length in [9, .max] as [UInt64] {
            var bytes = GGUFBuilder().build()
            bytes[16] = 1
            bytes += key("a", typeCode: 8)
            bytes.append(littleEndian: length)
            bytes += [UInt8](repeating: 65, count: 8)
            #expect(
                throws: ModelFileError(
                    file: "test", place: .byte(bytes.count - 8),
                    rule: .truncated(needed: length, available: 8))
            ) { try readWhole(bytes) }
        }
    }

    @Test func `A value type beyond the specification is refused`() {
        var bytes = GGUFBuilder().build()
        bytes[16] = 1
        bytes += key("a", typeCode: 13) + [0, 0, 0, 0]
        #expect(
            throws: ModelFileError(
                file: "test", place: .byte(33), rule: .unknownValueType(13))
        ) { try readWhole(bytes) }
    }

    @Test func `Keys are 1 to 65535 bytes of UTF-8, each once`() throws {
        let longest = String(repeating: "k", count: 65_535)
        var builder = TinyLlama.builder()
        builder[longest] = .bool(1)
        #expect(
            try ModelFile.parse(builder.build(), name: "long").metadata.boolean(longest) == true)
        builder[longest + "k"] = .bool(1)
        #expect(
            refusal(of: builder)?.rule
                == .lengthOutOfRange("a key", length: 65_536, allowed: 1...65_535))

        builder = TinyLlama.builder()
        builder[""] = .bool(1)
        #expect(
            refusal(of: builder)?.rule
                == .lengthOutOfRange("a key", length: 0, allowed: 1...65_535))

        expectRefusal(.key("llama.block_count"), .duplicate) {
            $0.metadata.append((Array("llama.block_count".utf8), .uint32(2)))
        }
        builder = TinyLlama.builder()
        builder.metadata.append(([0x61, 0xFF], .uint32(2)))
        #expect(refusal(of: builder)?.rule == .notUTF8)
    }

    @Test(arguments: [0, 1, 4, 12, 24, 33, 131_072, .max] as [UInt32])
    func `An alignment is a power of two from 8 to 65536`(alignment: UInt32) {
        expectRefusal(.key("general.alignment"), .badAlignment(UInt64(alignment))) {
            $0["general.alignment"] = .uint32(alignment)
        }
    }

    @Test func `An alignment is a uint32, as the specification says`() {
        expectRefusal(
            .key("general.alignment"),
            .wrongValueType(found: "of type uint64", expected: "uint32")
        ) { $0["general.alignment"] = .uint64(32) }
    }

    @Test func `Names from a file cannot write control characters to a terminal`() {
        let error = ModelFileError(
            file: "f", place: .key("a\u{1B}[31m\n" + String(repeating: "x", count: 100)),
            rule: .duplicate)
        #expect(
            error.description == "model file 'f', key 'a\u{FFFD}[31m\u{FFFD}"
                + String(repeating: "x", count: 73) + "…': appears twice")
    }

    private func error(_ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: "test", place: .byte(0), rule: rule)
    }

    private func key(_ name: String, typeCode: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(name.utf8.count))
        bytes += Array(name.utf8)
        bytes.append(littleEndian: typeCode)
        return bytes
    }
}
