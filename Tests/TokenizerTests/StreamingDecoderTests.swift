import Testing
import Tokenizer

/// Text that arrives in pieces equals text that arrives at once.
@Suite struct StreamingDecoderTests {
    private func decode(_ pieces: [[UInt8]], removesLeadingSpace: Bool = false) -> String {
        var decoder = StreamingDecoder(removesLeadingSpace: removesLeadingSpace)
        var text = ""
        for piece in pieces { text += decoder.append(piece) }
        return text + decoder.finish()
    }

    /// Every pair, and every triple and quadruple of bytes at which a decision changes.
    @Test func `Ill-formed sequences become what decoding the whole gives`() {
        let edges: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
            0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        func check(_ bytes: [UInt8]) {
            let expected = String(decoding: bytes, as: UTF8.self)
            if Array(decode(bytes.map { [$0] }).utf8) != Array(expected.utf8) {
                Issue.record("\(bytes) byte by byte")
            }
            if Array(decode([bytes]).utf8) != Array(expected.utf8) {
                Issue.record("\(bytes) at once")
            }
        }
        for first in UInt8.min...UInt8.max {
            check([first])
            for second in UInt8.min...UInt8.max { check([first, second]) }
        }
        for first in edges {
            for second in edges {
                for third in edges {
                    check([first, second, third])
                    for fourth in edges { check([first, second, third, fourth]) }
                }
            }
        }
    }

    @Test func `Random bytes in random pieces equal the whole`() {
        var random = SplitMix64(state: 5)
        for _ in 0..<2000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                if Bool.random(using: &random) {
                    bytes += Array(random.text(scalarCount: 1).utf8)
                } else {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                }
            }
            var pieces: [[UInt8]] = []
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 0...4, using: &random))
                pieces.append(Array(bytes[start..<end]))
                start = end
            }
            let expected = String(decoding: bytes, as: UTF8.self)
            if Array(decode(pieces).utf8) != Array(expected.utf8) { Issue.record("\(pieces)") }
        }
    }

    @Test func `A scalar appears with its last byte`() {
        var decoder = StreamingDecoder()
        let bytes = Array("👍".utf8)
        #expect(decoder.append([bytes[0]]) == "")
        #expect(decoder.append([bytes[1], bytes[2]]) == "")
        #expect(decoder.append([bytes[3], 0x41]) == "👍A")
        #expect(decoder.finish() == "")
    }

    @Test func `What cannot become a scalar appears at once`() {
        var decoder = StreamingDecoder()
        #expect(decoder.append([0xE0, 0x80]) == "\u{FFFD}\u{FFFD}")
        #expect(decoder.append([0xF0, 0x9F]) == "")
        #expect(decoder.append([0x41]) == "\u{FFFD}A")
    }

    @Test func `Ending replaces an unfinished scalar, and the decoder can go on`() {
        var decoder = StreamingDecoder()
        #expect(decoder.append([0xF0, 0x9F, 0x91]) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
        #expect(decoder.append(Array("é".utf8)) == "é")
    }

    @Test func `One leading space is removed if asked for`() {
        #expect(decode([[], [0x20], [0x20, 0x41]], removesLeadingSpace: true) == " A")
        #expect(decode([[0x41, 0x20]], removesLeadingSpace: true) == "A ")
        #expect(decode([[0xC3], [0xA9], [0x20]], removesLeadingSpace: true) == "é ")
        #expect(decode([[0x20, 0x41]]) == " A")
    }
}
