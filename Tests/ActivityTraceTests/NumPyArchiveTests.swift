import ActivityTrace
import SystemPackage
import TemporaryFiles
import Testing

/// NumPy's archives and arrays, as NumPy writes them and as nobody should.
@Suite struct NumPyArchiveTests {
    private static let arrayNames = [
        "masks", "ids", "prefill", "ratio", "target", "kind", "names", "none",
    ]

    private func arrays(_ bytes: [UInt8]) throws -> [String: NumPyArray] {
        try withTemporaryFile(bytes) { path in
            var archive = try NumPyArchive.open(path)
            var arrays: [String: NumPyArray] = [:]
            for name in archive.arrayNames { arrays[name] = try archive.array(named: name) }
            return arrays
        }
    }

    private func parse(_ bytes: [UInt8]) throws -> NumPyArray {
        try NumPyArray(bytes, file: "file", entry: "entry")
    }

    private func rule(of bytes: [UInt8]) -> ActivityTraceError.Rule? {
        breach { _ = try arrays(bytes) }?.rule
    }

    // MARK: What NumPy writes

    @Test func `Every type and shape of an archive by NumPy is read`() throws {
        let arrays = try arrays(SampleArchive.bytes)
        #expect(Set(arrays.keys) == Set(Self.arrayNames))
        func expect(_ name: String, _ shape: [Int], _ values: NumPyArray.Values) {
            #expect(arrays[name] == NumPyArray(shape: shape, values: values))
        }
        expect(
            "masks", [2, 3, 2], .uint8([132, 32, 33, 8, 8, 64, 66, 16, 16, 128, 132, 32]))
        expect("ids", [2], .int32([7, .max]))
        expect("prefill", [], .int64([1]))
        expect("ratio", [1, 2], .float32([0.5, -1.25]))
        expect("target", [], .float64([0.8]))
        expect("kind", [], .text(["wshift"]))
        expect("names", [3], .text(["a", "Grüße", "𝄞"]))
        expect("none", [0, 4], .uint8([]))
    }

    @Test func `Integers are offered in one type, and other values are none`() {
        #expect(NumPyArray.Values.uint8([255]).integers == [255])
        #expect(NumPyArray.Values.int32([-1]).integers == [-1])
        #expect(NumPyArray.Values.int64([.min]).integers == [.min])
        #expect(NumPyArray.Values.float32([1]).integers == nil)
        #expect(NumPyArray.Values.text(["1"]).integers == nil)
    }

    @Test func `Stored entries, a comment and an empty archive are read`() throws {
        var archive = HandmadeArchive([
            ("a", HandmadeArchive.array("|u1", "(2,)", [1, 2])),
            ("b", HandmadeArchive.array("<i4", "()", little(UInt32.max))),
        ])
        archive.comment = Array("PK\u{05}\u{06} is how this record begins".utf8)
        let found = try arrays(archive.encoded)
        #expect(found["a"] == NumPyArray(shape: [2], values: .uint8([1, 2])))
        #expect(found["b"] == NumPyArray(shape: [], values: .int32([-1])))
        #expect(try arrays(HandmadeArchive([]).encoded).isEmpty)
    }

    @Test func `Sizes that follow the data are taken from the directory`() throws {
        var archive = HandmadeArchive([("a", HandmadeArchive.array("|u1", "(1,)", [9]))])
        archive.entries[0].flags = 1 << 3
        var bytes = archive.encoded
        for offset in 14..<26 { bytes[offset] = 0 }  // of the local header
        #expect(try arrays(bytes)["a"]?.values == .uint8([9]))
        archive.entries[0].flags = 0
        bytes = archive.encoded
        bytes[14] ^= 1
        #expect(
            rule(of: bytes) == .contains("a local header unlike the central directory's"))
    }

    // MARK: Damage

    @Test func `A flipped bit is refused or changes nothing`() throws {
        let bytes = SampleArchive.bytes
        let intact = try arrays(bytes)
        var refusals = 0
        for offset in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= 1 << bit
                do {
                    // Dates, versions and attributes tell nothing of the arrays.
                    if try arrays(damaged) != intact {
                        Issue.record("bit \(bit) of byte \(offset) changes an array")
                    }
                } catch is ActivityTraceError {
                    refusals += 1
                }
            }
        }
        // All but the 8 entries' 10 + 22 bytes of such fields.
        #expect(refusals >= 8 * (bytes.count - 8 * 32))
    }

    @Test func `An archive cut anywhere is refused`() {
        for count in SampleArchive.bytes.indices
        where rule(of: Array(SampleArchive.bytes.prefix(count))) == nil {
            Issue.record("\(count) bytes are taken for an archive")
        }
        #expect(rule(of: SampleArchive.bytes + [0]) != nil)
        #expect(rule(of: [0] + SampleArchive.bytes) != nil)
    }

    @Test func `What zip files may be and NumPy's are not is refused by name`() {
        let good = HandmadeArchive([
            ("a", HandmadeArchive.array("|u1", "(1,)", [9])),
            ("b", HandmadeArchive.array("|u1", "(1,)", [9])),
        ])
        func rule(_ change: (inout HandmadeArchive) -> Void) -> ActivityTraceError.Rule? {
            var archive = good
            change(&archive)
            return self.rule(of: archive.encoded)
        }
        let large = ActivityTraceError.Rule.contains(
            "64-bit sizes, which this program does not read")
        #expect(rule { _ in } == nil)
        #expect(rule { $0.entries[0].flags = 1 } == .contains("encrypted content"))
        #expect(
            rule { $0.entries[1].method = 12 }
                == .contains("compression method 12, not 0 or 8"))
        #expect(rule { $0.disk = 1 } == .contains("entries on several disks"))
        #expect(rule { $0.entryCount = .max } == large)
        #expect(rule { $0.entries[0].byteCount = .max } == large)
        #expect(rule { $0.entries[0].storedByteCount = .max } == large)
        #expect(rule { $0.entries[1].offset = .max } == large)
        #expect(rule { $0.entries[1].name = "a.npy" } == .contains("two arrays of one name"))
        #expect(rule { $0.entries[0].checksum = 1 } == .checksum)
        #expect(rule { $0.entries[1].offset = 1 } == .lacks("local header"))
        #expect(
            rule { $0.shift = 1 } == .contains("an end record that is not right behind it"))
        #expect(rule { $0.entryCount = 1 } != nil)
        #expect(rule { $0.entryCount = 3 } != nil)
    }

    @Test func `An entry cannot claim more than deflate can expand to`() {
        var archive = HandmadeArchive([("a", HandmadeTrace.deflatedZeros)])
        archive.entries[0].method = 8
        archive.entries[0].byteCount = 4 * 1032 + 1
        #expect(
            rule(of: archive.encoded)
                == .outOfRange("length in bytes", value: 4129, allowed: 0...4128))
        archive.entries[0].byteCount = 33
        #expect(
            rule(of: archive.encoded)
                == .contains("deflated data that do not give its content"))
        archive.entries[0].method = 0
        #expect(
            rule(of: archive.encoded)
                == .outOfRange("length in bytes", value: 33, allowed: 4...4))
    }

    @Test func `A missing array is refused with what there is`() throws {
        try withTemporaryFile(SampleArchive.bytes) { path in
            var archive = try NumPyArchive.open(path)
            #expect(archive.arrayNames == Self.arrayNames)
            let error = refusal { _ = try archive.array(named: "mask") }
            #expect(
                error?.description == "'\(path)': the file has no array 'mask' (there are: "
                    + Self.arrayNames.joined(separator: ", ") + ")")
        }
    }

    // MARK: Arrays

    @Test func `Versions 1 and 2 are read, others are refused`() throws {
        for version: UInt8 in [1, 2] {
            let bytes = HandmadeArchive.array("<i8", "(1,)", little(UInt64(5)), version: version)
            #expect(try parse(bytes).values == .int64([5]))
        }
        for version: UInt8 in [0, 3] {
            let bytes = HandmadeArchive.array("|u1", "(1,)", [1], version: version)
            let found = breach { _ = try parse(bytes) }
            #expect(found?.rule == .version(Int(version), supported: 2))
            #expect(found?.place == .entry("entry"))
        }
        #expect(
            breach { _ = try parse(Array("{}".utf8)) }?.rule == .notA("a NumPy array"))
    }

    @Test(arguments: ["<f2", ">i4", "|b1", "<c8", "|S4", "<u4", "<U", "<U-1", "<Ux", "", "i4"])
    func `Other types are refused by name`(type: String) {
        let bytes = HandmadeArchive.array(type, "(0,)", [])
        #expect(
            breach { _ = try parse(bytes) }?.rule == .contains("elements of type '\(type)'"))
    }

    @Test func `Fortran order is refused`() {
        let bytes = HandmadeArchive.array("|u1", "(1, 1)", [1], order: "True")
        #expect(
            breach { _ = try parse(bytes) }?.rule
                == .contains("its elements in Fortran order, not C order"))
    }

    @Test func `Content that is not as long as the shape says is refused`() {
        for (shape, content): (String, [UInt8]) in [
            ("(2,)", [1]), ("(2,)", [1, 2, 3]), ("()", []), ("(0, 9)", [1]),
            ("(4294967296, 1048576)", []),
        ] {
            let found = breach {
                _ = try parse(HandmadeArchive.array("|u1", shape, content))
            }
            guard case .contains(let what)? = found?.rule else {
                Issue.record("\(shape) is accepted")
                continue
            }
            #expect(what.hasPrefix("\(content.count) bytes for "))
        }
        let overflow = HandmadeArchive.array("|u1", "(4294967296, 4294967296)", [])
        #expect(
            breach { _ = try parse(overflow) }?.rule
                == .contains("a shape of more elements than can be counted"))
        let empty = HandmadeArchive.array("<U0", "(9223372036854775807,)", [])
        #expect(breach { _ = try parse(empty) }?.place == .entry("entry"))
    }

    @Test(arguments: [
        "", "{}", "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)", "{'descr': '|u1",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} 1",
        "{'descr': '|u1' 'fortran_order': False, 'shape': (1,)}",
    ])
    func `A header that is not a dictionary of the three keys is refused`(header: String) {
        let bytes = HandmadeArchive.array(header: header, [1])
        #expect(
            breach { _ = try parse(bytes) }?.rule
                == .contains("an array header that cannot be read"))
    }

    @Test func `Keys may come in any order and with either quote`() throws {
        let header = "{ \"shape\":(1,1,), 'fortran_order' : False,\"descr\":\"|u1\"}   \n"
        #expect(
            try parse(HandmadeArchive.array(header: header, [3]))
                == NumPyArray(shape: [1, 1], values: .uint8([3])))
    }

    @Test func `Texts end at their last scalar, and must be Unicode`() throws {
        func text(_ units: [UInt32]) throws -> NumPyArray.Values {
            try parse(
                HandmadeArchive.array("<U\(units.count)", "()", units.flatMap { little($0) })
            ).values
        }
        #expect(try text([65, 0, 66, 0, 0]) == .text(["A\0B"]))
        #expect(try text([0, 0]) == .text([""]))
        #expect(try text([]) == .text([""]))
        #expect(try text([0x1F600]) == .text(["😀"]))
        for unit: UInt32 in [0xD800, 0x110000, .max] {
            #expect(
                breach { _ = try text([unit]) }?.rule
                    == .contains("a text that is not Unicode"))
        }
    }
}
