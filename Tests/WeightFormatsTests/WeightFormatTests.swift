import Testing
import WeightFormats

/// Sizes of the formats, against ggml's block structures.
@Suite struct WeightFormatTests {
    @Test(arguments: [
        (WeightFormat.f32, "F32", 1, 4), (.f16, "F16", 1, 2), (.bf16, "BF16", 1, 2),
        // A half-precision scale and 32 bytes; 16 bytes of nibbles; one more half for Q4_1.
        (.q8_0, "Q8_0", 32, 2 + 32), (.q4_0, "Q4_0", 32, 2 + 16), (.q4_1, "Q4_1", 32, 4 + 16),
    ])
    func `A format has its name and block size`(
        format: WeightFormat, name: String, elements: Int, bytes: Int
    ) {
        #expect(format.rawValue == name)
        #expect(WeightFormat(rawValue: name) == format)
        #expect(format.elementsPerBlock == elements)
        #expect(format.bytesPerBlock == bytes)
    }

    @Test(arguments: WeightFormat.allCases)
    func `A row of whole blocks has their bytes, of parts has none`(format: WeightFormat) {
        let block = format.elementsPerBlock
        #expect(format.rowByteCount(elementCount: 0) == 0)
        #expect(format.rowByteCount(elementCount: block) == format.bytesPerBlock)
        #expect(format.rowByteCount(elementCount: 96 * block) == 96 * format.bytesPerBlock)
        for part in 1..<max(2, block) where block > 1 {
            #expect(format.rowByteCount(elementCount: block + part) == nil)
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `A negative row and one too long to count are refused`(format: WeightFormat) {
        let block = format.elementsPerBlock
        #expect(format.rowByteCount(elementCount: -block) == nil)
        #expect(format.rowByteCount(elementCount: Int.min) == nil)
        let longest = Int.max / block * block
        let (bytes, overflow) = (longest / block)
            .multipliedReportingOverflow(by: format.bytesPerBlock)
        #expect(format.rowByteCount(elementCount: longest) == (overflow ? nil : bytes))
    }
}
