import Messages
import Testing

/// Typed reads and writes of message bytes.
@Suite struct MessagePayloadTests {
    @Test func `Words are little-endian at any offset`() {
        let message = Message(Array(0...15))
        message.read { bytes in
            #expect(bytes.word16(at: 3) == 0x0403)
            #expect(bytes.word32(at: 5) == 0x0807_0605)
            #expect(bytes.word64(at: 1) == 0x0807_0605_0403_0201)
            #expect(bytes.word16(at: 14) == 0x0F0E)
            #expect(bytes.word32(at: 12) == 0x0F0E_0D0C)
            #expect(bytes.word64(at: 8) == 0x0F0E_0D0C_0B0A_0908)
        }
    }

    @Test func `Floats come back bit for bit, from any offset`() {
        let floats: [Float] = [0, -0.0, 1.5, .infinity, .leastNonzeroMagnitude, -3e38]
        for offset in 0..<9 {
            let message = Message(byteCount: offset + 24 + 3) {
                $0.store(floats.span, at: offset)
            }
            var read = [Float](repeating: 9, count: 6)
            var span = read.mutableSpan
            message.read { $0.copyFloats(at: offset, into: &span) }
            #expect(read.map(\.bitPattern) == floats.map(\.bitPattern))
            #expect(message.bytes.prefix(offset).allSatisfy { $0 == 0xA5 })
            #expect(message.bytes.suffix(3).allSatisfy { $0 == 0xA5 })
        }
    }

    @Test func `Words and double-precision numbers lie where they were stored`() {
        let words: [UInt64] = [1, .max, 0x0123_4567_89AB_CDEF]
        let numbers: [Double] = [-0.0, 1e300, .pi]
        let message = Message(byteCount: 60) {
            $0.store(words.span, at: 5)
            $0.store(numbers.span, at: 31)
        }
        message.read { bytes in
            for index in 0..<3 {
                #expect(bytes.word64(at: 5 + 8 * index) == words[index])
                #expect(bytes.word64(at: 31 + 8 * index) == numbers[index].bitPattern)
            }
        }
        #expect(message.bytes[29...30] == [0xA5, 0xA5])
        #expect(message.bytes[55...].allSatisfy { $0 == 0xA5 })
    }

    @Test func `Nothing is copied from or to the very end`() {
        let message = Message(byteCount: 4) {
            $0.store([Float]().span, at: 4)
            $0.store([UInt64]().span, at: 4)
            $0.store([Double]().span, at: 4)
        }
        var floats: [Float] = []
        var span = floats.mutableSpan
        message.read {
            $0.copyFloats(at: 4, into: &span)
            #expect($0.text(at: 4, byteCount: 0) == "")
        }
        #expect(message.bytes == [0xA5, 0xA5, 0xA5, 0xA5])
    }

    @Test func `Text is UTF-8, and what is not gets repaired`() {
        let message = Message(Array("DIMM 3: zu voll – ✗".utf8) + [0xFF, 0x41])
        let count = message.bytes.count
        message.read {
            #expect($0.text(at: 0, byteCount: count) == "DIMM 3: zu voll – ✗\u{FFFD}A")
            #expect($0.text(at: 5, byteCount: 1) == "3")
        }
    }

    @Test func `A read or write past the end traps`() async {
        await #expect(processExitsWith: .failure) {
            Message(byteCount: 8).read { _ = $0.word64(at: 1) }
        }
        await #expect(processExitsWith: .failure) {
            Message(byteCount: 8).read { _ = $0.word16(at: -1) }
        }
        await #expect(processExitsWith: .failure) {
            var floats: [Float] = [0, 0]
            var span = floats.mutableSpan
            Message(byteCount: 8).read { $0.copyFloats(at: 4, into: &span) }
        }
        await #expect(processExitsWith: .failure) {
            _ = Message(byteCount: 8) { $0.store([1, 2, 3 as Float].span, at: 0) }
        }
        await #expect(processExitsWith: .failure) {
            Message(byteCount: 8).read { _ = $0.text(at: 4, byteCount: 5) }
        }
    }
}
