import Kernels
import Testing
import WeightFormats

/// Blocks made by hand from the formats' definitions.
@Suite struct WeightDecodingTests {
    /// d = 0.5 = 0x3800, m = −1 = 0xBC00; byte i holds elements i (low) and i + 16 (high).
    @Test func `A Q4_1 block is d q + m, low nibbles first`() {
        var bytes: [UInt8] = [0x00, 0x38, 0x00, 0xBC]
        bytes += (0..<16).map { UInt8($0) | UInt8(15 - $0) << 4 }
        let expected = (0..<32).map { Float($0 < 16 ? $0 : 31 - $0) * 0.5 - 1 }
        #expect(dequantise(bytes, .q4_1, columns: 32) == expected)
    }

    /// d = −2 = 0xC000.
    @Test func `A Q4_0 block is d (q - 8)`() {
        let bytes: [UInt8] = [0x00, 0xC0] + (0..<16).map { UInt8($0) << 4 | UInt8($0) }
        let expected = (0..<32).map { -2 * Float($0 % 16 - 8) }
        #expect(dequantise(bytes, .q4_0, columns: 32) == expected)
    }

    @Test func `A Q8_0 block is d times signed bytes`() {
        let codes = [-128, -1, 0, 1, 127] + Array(repeating: 3, count: 27)
        let bytes: [UInt8] = [0x00, 0x3C] + codes.map { UInt8(bitPattern: Int8($0)) }
        #expect(dequantise(bytes, .q8_0, columns: 32) == codes.map { Float($0) })
    }

    /// 0x0001 is 2⁻²⁴, 0x7BFF is 65504; 15 x 2⁻²⁴ vanishes beside it.
    @Test func `The offset is added after the product was rounded`() {
        let bytes: [UInt8] = [0x01, 0x00, 0xFF, 0x7B] + Array(repeating: 0xFF, count: 16)
        #expect(dequantise(bytes, .q4_1, columns: 32) == Array(repeating: 65504, count: 32))
    }

    @Test func `Subnormal, infinite and missing scales keep their meaning`() {
        let subnormal: [UInt8] = [0xFF, 0x83] + Array(repeating: 1, count: 32)  // −1023 x 2⁻²⁴
        #expect(dequantise(subnormal, .q8_0, columns: 32)[0] == -1023 * 0x1p-24)
        let infinite: [UInt8] = [0x00, 0x7C, 2, 0] + Array(repeating: 0xFE, count: 30)
        let values = dequantise(infinite, .q8_0, columns: 32)
        #expect(values[0] == .infinity)
        #expect(values[1].isNaN)
        #expect(values[2] == -.infinity)
        let missing: [UInt8] = [0x01, 0x7C] + Array(repeating: 1, count: 32)
        #expect(dequantise(missing, .q8_0, columns: 32)[0].isNaN)
    }

    /// All 65536 patterns against the standard library's own conversion.
    @Test func `Every half converts exactly`() {
        var bytes: [UInt8] = []
        for bits in 0...UInt16.max { bytes += [UInt8(bits & 255), UInt8(bits >> 8)] }
        let values = dequantise(bytes, .f16, columns: 65536)
        let expected = (0...UInt16.max).map { Float(Float16(bitPattern: $0)) }
        #expect(firstDifference(values, expected) == nil)
    }

    @Test func `A bfloat16 is the upper half of a float`() {
        let bytes: [UInt8] = [0x80, 0x3F, 0x00, 0x80, 0x80, 0xFF, 0x01, 0x00]
        let values = dequantise(bytes, .bf16, columns: 4)
        #expect(firstDifference(values, [1, -0.0, -.infinity, Float(bitPattern: 0x10000)]) == nil)
    }

    @Test(arguments: WeightFormat.allCases)
    func `Any row of a matrix is found`(format: WeightFormat) {
        let matrix = TestMatrix(format, rows: 3, columns: 96, seed: 20)
        for row in 0..<3 {
            let expected = Array(matrix.values[row * 96..<(row + 1) * 96])
            #expect(dequantise(matrix.bytes, format, columns: 96, row: row) == expected)
        }
    }

    private func dequantise(
        _ bytes: [UInt8], _ format: WeightFormat, columns: Int, row: Int = 0
    ) -> [Float] {
        var values = [Float](repeating: 0, count: columns)
        var output = values.mutableSpan
        dequantiseRow(
            weights: unsafe bytes.span.bytes, format: format, columnCount: columns, row: row,
            into: &output)
        return values
    }
}
