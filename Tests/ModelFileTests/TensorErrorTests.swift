import ModelFile
import TestModels
import Testing

/// Tensor descriptions that lie.
@Suite struct TensorErrorTests {
    private let name = "blk.0.attn_q.weight"

    private static let unsupportedTypes: [(UInt32, String)] = [
        (12, "Q4_K"), (14, "Q6_K"), (10, "Q2_K"), (6, "Q5_0"), (20, "IQ4_NL"), (39, "MXFP4"),
        (31, "Q4_0_4_4"), (28, "F64"), (24, "I8"), (3000, "number 3000"),
    ]

    @Test(arguments: unsupportedTypes)
    func `A type that is not supported is refused by its name, once the tensor is needed`(
        code: UInt32, typeName: String
    ) throws {
        var builder = TinyLlama.builder(hidden: 256)
        builder.editTensor(name) {
            $0.typeCode = code
            // Two rows, so that the space of the F32 matrix is enough for any type.
            $0.dimensions = [256, 2]
        }
        let bytes = builder.build()
        let expected = ModelFileError(
            file: "test", place: .tensor(name), rule: .unsupportedTensorType(typeName))
        let file = try ModelFile.parse(bytes, name: "test")
        #expect(throws: expected) { try file.tensor(named: name) }
        #expect(
            expected.description.hasSuffix(
                "type \(typeName) is not supported yet; "
                    + "supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1"))
        _ = try file.tensor(named: "blk.0.attn_k.weight")
    }

    @Test func `A tensor that a run does not need may be of any type`() throws {
        var builder = TinyLlama.builder()
        builder.tensors.append(
            .init(
                name: "blk.0.attn_rot_embd.weight", typeCode: 26, dimensions: [4],
                bytes: [UInt8](repeating: 0, count: 16)))
        try readWhole(builder.build())
    }

    @Test(arguments: [0, 5, .max] as [UInt32])
    func `A tensor has one to four dimensions`(count: UInt32) {
        expectRefusal(.tensor(name), .dimensionCountOutOfRange(count)) {
            $0.editTensor(name) { $0.declaredDimensionCount = count }
        }
    }

    @Test func `No dimension is zero or beyond 63 bits`() {
        for value in [0, 1 << 63, .max] as [UInt64] {
            expectRefusal(.tensor(name), .dimensionOutOfRange(index: 1, value: value)) {
                $0.editTensor(name) { $0.dimensions = [64, value] }
            }
        }
    }

    @Test func `A size that overflows is refused, in elements, in bytes and in its end`() {
        let shapes: [[UInt64]] = [
            [1 << 32, 1 << 32], [1 << 62, 1], [1 << 16, 1 << 16, 1 << 16, 1 << 16],
            [.max >> 1, .max >> 1, .max >> 1, .max >> 1],
        ]
        for shape in shapes {
            expectRefusal(.tensor(name), .sizeOverflows) {
                $0.editTensor(name) { $0.dimensions = shape }
            }
        }
        expectRefusal(.tensor(name), .sizeOverflows) {
            $0.editTensor(name) { $0.declaredOffset = .max - 31 }
        }
    }

    @Test func `A tensor past the end of the file is refused, even by one byte`() throws {
        let builder = TinyLlama.builder()
        let bytes = builder.build()
        #expect(
            throws: ModelFileError(
                file: "test", place: .tensor("output_norm.weight"),
                rule: .pastEnd(end: UInt64(bytes.count), fileByteCount: bytes.count - 1))
        ) { try readWhole(bytes.dropLast()) }
        var changed = builder
        changed.editTensor(name) { $0.declaredOffset = 1 << 40 }
        guard case .pastEnd(let end, bytes.count) = refusal(of: changed)?.rule else {
            Issue.record("not refused for its end")
            return
        }
        #expect(end > 1 << 40)
    }

    @Test func `An offset that is not aligned is refused`() {
        expectRefusal(.tensor(name), .offsetNotAligned(offset: 33, alignment: 32)) {
            $0.editTensor(name) { $0.declaredOffset = 33 }
        }
    }

    @Test func `Tensors that share bytes are refused, wherever they stand in the list`() {
        expectRefusal(.tensor(name), .overlaps(with: "token_embd.weight")) {
            $0.editTensor(name) { $0.declaredOffset = 32 }
        }
        // An empty range (a type of unknown size) between the two hides nothing.
        expectRefusal(.tensor(name), .overlaps(with: "token_embd.weight")) {
            $0.editTensor(name) { $0.declaredOffset = 96 }
            $0.editTensor("blk.0.attn_k.weight") {
                $0.typeCode = 3000
                $0.declaredOffset = 64
            }
        }
    }

    @Test func `A row of quantised elements fills whole blocks`() {
        expectRefusal(
            .tensor(name), .partialBlock(columnCount: 48, typeName: "Q4_0", elementsPerBlock: 32)
        ) {
            $0.editTensor(name) {
                $0.typeCode = 2
                $0.dimensions = [48, 64]
            }
        }
    }

    @Test func `Names are 1 to 64 bytes of UTF-8, each once`() {
        expectRefusal(.tensor(name), .duplicate) { builder in
            builder.editTensor("blk.0.attn_k.weight") { $0.name = Array(name.utf8) }
        }
        for length in [0, 65] {
            var builder = TinyLlama.builder()
            builder.editTensor(name) { $0.name = [UInt8](repeating: 65, count: length) }
            #expect(
                refusal(of: builder)?.rule
                    == .lengthOutOfRange(
                        "a tensor name", length: UInt64(length), allowed: 1...64))
        }
        var builder = TinyLlama.builder()
        builder.editTensor(name) { $0.name = [0xC3] }
        #expect(refusal(of: builder)?.rule == .notUTF8)
    }
}
