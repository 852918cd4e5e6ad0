import Quantities
import SeededRandom
import Testing

@Suite struct QuantityTextTests {
    @Test func `Quantities are read exactly`() throws {
        #expect(try Bandwidth(parsing: "25.6 GB/s").bytesPerSecond == 25_600_000_000)
        #expect(try ByteCount(parsing: "24 GiB").bytes == 25_769_803_776)
        #expect(try ByteCount(parsing: "24 GB").bytes == 24_000_000_000)
        #expect(try ByteCount(parsing: "0.5KiB").bytes == 512)
        #expect(try EmulatedDuration(parsing: "17.6 us").picoseconds == 17_600_000)
        #expect(try EmulatedDuration(parsing: "17.6 µs").picoseconds == 17_600_000)
        #expect(try Frequency(parsing: "1 GHz").hertz == 1_000_000_000)
        #expect(
            try ComputeRate(parsing: "330 TFLOPS").operationsPerSecond == 330_000_000_000_000)
        #expect(try Proportion(parsing: "0.20").millionths == 200_000)
        #expect(try Proportion(parsing: "85 %").millionths == 850_000)
        #expect(try Proportion(parsing: "1.000000000000000000000").millionths == 1_000_000)
    }

    /// 0.1 + 0.2 style errors of binary floating point: 4.35 x 100 is 434.99... as a Double.
    @Test func `No binary rounding on the way`() throws {
        #expect(try EmulatedDuration(parsing: "4.35 ns").picoseconds == 4_350)
        #expect(try ByteCount(parsing: "9007199.254740993 GB").bytes == 9_007_199_254_740_993)
    }

    @Test func `The largest value is read, one more is not`() throws {
        #expect(try ByteCount(parsing: "18446744073709.551615 MB").bytes == .max)
        #expect(throws: QuantityError.self) { try ByteCount(parsing: "18446744073709.551616 MB") }
    }

    @Test(arguments: [
        ("", QuantityError.empty), ("   ", .empty),
        ("-3 GB/s", .negative("-3 GB/s")), ("0 GB/s", .zero("0 GB/s")),
        ("GB/s", .notANumber("GB/s")), ("1.2.3 GB/s", .notANumber("1.2.3 GB/s")),
        ("1. GB/s", .notANumber("1. GB/s")), (".5 GB/s", .notANumber(".5 GB/s")),
        ("+1 GB/s", .notANumber("+1 GB/s")), ("1,5 GB/s", .notANumber("1,5 GB/s")),
        ("1e3 GB/s", .unknownUnit("e3 GB/s", allowed: rates)),
        ("5", .missingUnit("5", allowed: rates)), ("5 Gb/s", .unknownUnit("Gb/s", allowed: rates)),
        ("5 GHz", .unknownUnit("GHz", allowed: rates)),
        ("0.5 B/s", .finerThan("0.5 B/s", smallest: "B/s")),
        (
            "99999999999 TB/s",
            .tooLarge("99999999999 TB/s", largest: "18446744073709551615 B/s")
        ),
        (
            "99999999999999999999999 B/s",
            .tooLarge("99999999999999999999999 B/s", largest: "18446744073709551615 B/s")
        ),
    ])
    func `A wrong rate says what is wrong`(text: String, expected: QuantityError) {
        #expect(throws: expected) { try Bandwidth(parsing: text) }
    }

    @Test(arguments: ["1.1", "101 %", "2"])
    func `A share above one is refused`(text: String) {
        #expect(throws: QuantityError.tooLarge(text, largest: "1")) {
            try Proportion(parsing: text)
        }
    }

    @Test func `A share has at most six decimals`() {
        #expect(throws: QuantityError.finerThan("0.1234567", smallest: "millionths")) {
            try Proportion(parsing: "0.1234567")
        }
        #expect(throws: QuantityError.negative("-0.1")) { try Proportion(parsing: "-0.1") }
        #expect(throws: QuantityError.notANumber("half")) { try Proportion(parsing: "half") }
        #expect(throws: QuantityError.empty) { try Proportion(parsing: " ") }
    }

    @Test func `The error of a wrong unit offers those that are allowed`() {
        #expect(throws: (any Error).self) { try Frequency(parsing: "1 GB/s") }
        let error = #expect(throws: QuantityError.self) { try Bandwidth(parsing: "5 Gb/s") }
        #expect(
            error?.description
                == "unit 'Gb/s' is not allowed here; allowed: B/s, KB/s, MB/s, GB/s, TB/s, kB/s")
    }

    @Test func `People read four significant digits`() {
        #expect(Bandwidth(bytesPerSecond: 25_600_000_000).description == "25.6 GB/s")
        #expect(EmulatedDuration(picoseconds: 1_667).description == "1.667 ns")
        #expect(EmulatedDuration(picoseconds: 1_666_666).description == "1.667 us")
        #expect(EmulatedDuration(picoseconds: 999_999).description == "1000 ns")
        #expect(EmulatedDuration.zero.description == "0 ps")
        #expect(EmulatedDuration(picoseconds: 123_456_000).description == "123.5 us")
        #expect(EmulatedTime(picosecondsSinceStart: 2_500).description == "2.5 ns")
        #expect(ByteCount(24_000_000_000).description == "24 GB")
        #expect(ByteCount(32 << 30).description == "32 GiB")
        #expect(ByteCount(98_362_432).description == "98.36 MB")
        #expect(ByteCount(0).description == "0 B")
        #expect(Frequency(hertz: 1_600_000_000).description == "1.6 GHz")
        #expect(ComputeRate(operationsPerSecond: 330_000_000_000_000).description == "330 TFLOPS")
        #expect(Proportion(millionths: 850_000).description == "0.85")
    }

    @Test func `Exact texts read back as the same value`() throws {
        var random = SplitMix64(seed: 7)
        for shift in 0..<640 {
            let value = max(1, random.next() >> UInt64(shift % 64))
            let isSame =
                try ByteCount(parsing: ByteCount(value).exactDescription).bytes == value
                && Bandwidth(
                    parsing: Bandwidth(bytesPerSecond: value).exactDescription
                ).bytesPerSecond == value
                && EmulatedDuration(
                    parsing: EmulatedDuration(picoseconds: value).exactDescription
                ).picoseconds == value
                && Frequency(parsing: Frequency(hertz: value).exactDescription).hertz == value
                && ComputeRate(
                    parsing: ComputeRate(operationsPerSecond: value).exactDescription
                ).operationsPerSecond == value
            if !isSame { Issue.record("\(value) changed on the way through its text") }
        }
        for value in UInt64(0)...1_000 where value % 7 == 0 {
            let share = Proportion(millionths: value * 997)
            if try Proportion(parsing: share.description) != share {
                Issue.record("\(share) changed on the way through its text")
            }
        }
    }
}

private let rates = ["B/s", "KB/s", "MB/s", "GB/s", "TB/s", "kB/s"]
