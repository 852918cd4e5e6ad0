import ModelFile
import TestModels
import Testing

/// Typed access to single values.
@Suite struct ModelMetadataTests {
    private func metadata(_ values: [String: GGUFValue]) throws -> ModelMetadata {
        var builder = GGUFBuilder()
        for (key, value) in values { builder[key] = value }
        return try ModelFile.parse(builder.build(), name: "test").metadata
    }

    private func error(_ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: "test", place: .key("k"), rule: rule)
    }

    @Test func `Keys come in the order of the file`() throws {
        let file = try ModelFile.parse(TinyLlama.build(), name: "tiny")
        #expect(file.metadata.keys.prefix(2) == ["general.architecture", "general.name"])
        #expect(file.metadata.contains("general.name"))
        #expect(!file.metadata.contains("general"))
    }

    @Test func `Integers of every width are read, at both ends of their range`() throws {
        let cases: [(GGUFValue, Int)] = [
            (.uint8(.max), 255), (.int8(.min), -128), (.uint16(.max), 65_535),
            (.int16(.min), -32_768), (.uint32(.max), 4_294_967_295),
            (.int32(.min), -2_147_483_648), (.uint64(UInt64(Int.max)), .max),
            (.int64(.min), .min),
        ]
        for (value, expected) in cases {
            let metadata = try metadata(["k": value])
            #expect(try metadata.requiredInteger("k", in: .min ... .max) == expected)
            #expect(try metadata.integer("k", in: expected...expected) == expected)
        }
    }

    @Test func `An integer outside its range is refused with both`() throws {
        let cases: [(GGUFValue, String)] = [
            (.uint64(.max), "18446744073709551615"), (.int8(-1), "-1"), (.uint32(8), "8"),
        ]
        for (value, shown) in cases {
            let metadata = try metadata(["k": value])
            #expect(throws: error(.outOfRange(value: shown, allowed: "0 to 7"))) {
                try metadata.integer("k", in: 0...7)
            }
        }
    }

    @Test func `Floats of both widths are read, and NaN lies in no range`() throws {
        let values = try metadata(["a": .float32(1e-5), "b": .float64(0.25)])
        #expect(try values.requiredFloat("a", in: 0...1) == 1e-5)
        #expect(try values.float("b", in: 0...1) == 0.25)
        for bad in [Float.nan, .infinity, -1, 1.5] {
            let metadata = try metadata(["k": .float32(bad)])
            #expect(throws: error(.outOfRange(value: "\(bad)", allowed: "0.0 to 1.0"))) {
                try metadata.float("k", in: 0...1)
            }
        }
    }

    @Test func `A boolean is 0 or 1`() throws {
        let values = try metadata(["yes": .bool(1), "no": .bool(0), "k": .bool(2)])
        #expect(try values.boolean("yes") == true)
        #expect(try values.boolean("no") == false)
        #expect(throws: error(.notABoolean(2))) { try values.boolean("k") }
    }

    @Test func `Strings are UTF-8, empty to a mebibyte`() throws {
        let longest = String(repeating: "é", count: 1 << 19)
        let values = try metadata([
            "empty": .text(""), "long": .text(longest), "k": .string([0xE2, 0x82]),
            "too long": .text(longest + "x"),
        ])
        #expect(try values.string("empty") == "")
        #expect(try values.requiredString("long") == longest)
        #expect(throws: error(.notUTF8)) { try values.string("k") }
        let tooLong = #expect(throws: ModelFileError.self) { try values.string("too long") }
        #expect(
            tooLong?.rule
                == .lengthOutOfRange("a string", length: 1_048_577, allowed: 0...1_048_576))
    }

    @Test func `A missing key is nil, and an error where it is required`() throws {
        let values = try metadata([:])
        #expect(try values.integer("k", in: 0...1) == nil)
        #expect(try values.float("k", in: 0...1) == nil)
        #expect(try values.boolean("k") == nil)
        #expect(try values.string("k") == nil)
        #expect(try values.arrayCount("k") == nil)
        #expect(try values.byteStrings("k", maximumCount: 1) == nil)
        #expect(try values.floats("k", maximumCount: 1) == nil)
        #expect(try values.integers("k", maximumCount: 1, in: 0...1) == nil)
        #expect(throws: error(.missing)) { try values.requiredInteger("k", in: 0...1) }
        #expect(throws: error(.missing)) { try values.requiredFloat("k", in: 0...1) }
        #expect(throws: error(.missing)) { try values.requiredString("k") }
    }

    @Test func `A value of another type is refused with both types`() throws {
        let number = try metadata(["k": .uint32(1)])
        func wrong(_ found: String, _ expected: String) -> ModelFileError {
            error(.wrongValueType(found: found, expected: expected))
        }
        #expect(throws: wrong("of type uint32", "a floating-point number")) {
            try number.float("k", in: 0...1)
        }
        #expect(throws: wrong("of type uint32", "a boolean")) { try number.boolean("k") }
        #expect(throws: wrong("of type uint32", "a string")) { try number.string("k") }
        #expect(throws: wrong("of type uint32", "an array")) { try number.arrayCount("k") }
        #expect(throws: wrong("of type uint32", "an array of strings")) {
            try number.byteStrings("k", maximumCount: 9)
        }
        let list = try metadata(["k": .float32s([1, 2])])
        #expect(throws: wrong("an array of 2 float32", "an integer")) {
            try list.integer("k", in: 0...1)
        }
        #expect(throws: wrong("an array of 2 float32", "an array of integers")) {
            try list.integers("k", maximumCount: 9, in: 0...1)
        }
        let text = try metadata(["k": .text("1")])
        #expect(throws: wrong("of type string", "an integer")) {
            try text.integer("k", in: 0...1)
        }
        #expect(throws: wrong("of type string", "an array of float32")) {
            try text.floats("k", maximumCount: 9)
        }
    }

    @Test func `Arrays are read whole, empty ones too, and bounded`() throws {
        let values = try metadata([
            "strings": .strings([[], [0xFF, 0], Array("ab".utf8)]),
            "floats": .float32s([1, -2]),
            "bytes": .array(elementTypeCode: 1, [.int8(-1), .int8(2)]),
            "none": .strings([]),
            "k": .int32s([1, 2, 3]),
        ])
        #expect(
            try values.byteStrings("strings", maximumCount: 3) == [[], [0xFF, 0], [0x61, 0x62]])
        #expect(try values.floats("floats", maximumCount: 2) == [1, -2])
        #expect(try values.integers("bytes", maximumCount: 2, in: -1...2) == [-1, 2])
        #expect(try values.byteStrings("none", maximumCount: 0) == [])
        #expect(try values.arrayCount("k") == 3)
        #expect(throws: error(.outOfRange(value: "3 elements", allowed: "at most 2"))) {
            try values.integers("k", maximumCount: 2, in: 0...9)
        }
        #expect(throws: error(.outOfRange(value: "3", allowed: "0 to 2"))) {
            try values.integers("k", maximumCount: 3, in: 0...2)
        }
    }

    @Test func `An element of a string array is at most 64 KiB long`() throws {
        let limit = 1 << 16
        let values = try metadata([
            "fits": .strings([[UInt8](repeating: 1, count: limit)]),
            "k": .strings([[UInt8](repeating: 1, count: limit + 1)]),
        ])
        #expect(try values.byteStrings("fits", maximumCount: 1)?.first?.count == limit)
        #expect(
            throws: error(
                .lengthOutOfRange("a string", length: UInt64(limit) + 1, allowed: 0...limit))
        ) { try values.byteStrings("k", maximumCount: 1) }
    }
}
