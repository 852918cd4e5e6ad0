import ModelFile
import TestModels
import Testing
import WeightFormats

/// Good files: what was written is what is read.
@Suite struct ModelFileTests {
    @Test(arguments: WeightFormat.allCases, [2, 3] as [UInt32])
    func `Every tensor of every format and version is found where it was written`(
        format: WeightFormat, version: UInt32
    ) throws {
        var builder = TinyLlama.builder(format: format)
        builder.version = version
        let bytes = builder.build()
        let file = try ModelFile.parse(bytes, name: "tiny")

        #expect(file.version == Int(version))
        #expect(file.byteCount == bytes.count)
        #expect(copy(file.bytes) == bytes)
        #expect(file.descriptor == nil)
        #expect(file.tensorNames == builder.tensors.map { text($0.name) })
        for written in builder.tensors {
            let tensor = try file.tensor(named: text(written.name))
            #expect(tensor.dimensions.map(UInt64.init) == written.dimensions)
            #expect(tensor.format.typeCode == written.typeCode)
            #expect(tensor.byteCount == written.bytes.count)
            #expect(tensor.byteOffset.isMultiple(of: 32))
            #expect(copy(file.bytes(of: tensor)) == written.bytes)
        }
    }

    @Test func `Rows are parts of their tensor, down to none and up to all`() throws {
        let file = try ModelFile.parse(TinyLlama.build(format: .q4_1), name: "tiny")
        let tensor = try file.tensor(named: "blk.1.ffn_down.weight")
        #expect(tensor.columnCount == 96)
        #expect(tensor.rowCount == 64)
        #expect(tensor.elementCount == 96 * 64)
        #expect(tensor.rowByteCount == 60)
        let all = copy(file.bytes(of: tensor))
        #expect(copy(file.bytes(of: tensor, rows: 0..<64)) == all)
        #expect(copy(file.bytes(of: tensor, rows: 63..<64)) == Array(all[(63 * 60)...]))
        #expect(copy(file.bytes(of: tensor, rows: 5..<7)) == Array(all[300..<420]))
        #expect(file.bytes(of: tensor, rows: 64..<64).byteCount == 0)
    }

    @Test func `Rows past the end of a tensor trap`() async {
        await #expect(processExitsWith: .failure) {
            let file = try ModelFile.parse(TinyLlama.build(), name: "tiny")
            let tensor = try file.tensor(named: "output_norm.weight")
            _ = file.bytes(of: tensor, rows: 0..<2).byteCount
        }
    }

    @Test func `Plain formats convert to the floats that were written`() throws {
        let values: [Float] = [0, -0.0, 1, -2.5, 0.333_251_95, 65_504, 0x1p-24, -0x1p-14]
        for format in [WeightFormat.f32, .f16, .bf16] {
            // Each of the values that the narrower formats cannot hold is left to F32.
            let exact = format == .bf16 ? [0, -0.0, 1, -2.5, 0x1p-24, -0x1p-14, 0x1p100] : values
            var builder = GGUFBuilder()
            builder.tensors = [
                .init(
                    name: "norm", typeCode: format.typeCode, dimensions: [UInt64(exact.count)],
                    bytes: format.encode(exact))
            ]
            let file = try ModelFile.parse(builder.build(), name: "plain")
            let read = try file.floats(of: try file.tensor(named: "norm"))
            #expect(read.map(\.bitPattern) == exact.map(\.bitPattern))
        }
    }

    @Test func `A quantised tensor has no floats to copy`() throws {
        let file = try ModelFile.parse(TinyLlama.build(format: .q8_0), name: "tiny")
        let tensor = try file.tensor(named: "token_embd.weight")
        #expect(
            throws: ModelFileError(
                file: "tiny", place: .tensor("token_embd.weight"),
                rule: .quantised(typeName: "Q8_0"))
        ) { try file.floats(of: tensor) }
    }

    @Test(arguments: [8, 32, 64, 4096, 65_536] as [UInt32])
    func `The file's own alignment decides where tensors lie`(alignment: UInt32) throws {
        var builder = TinyLlama.builder(format: .q4_0)
        builder.alignment = Int(alignment)
        builder["general.alignment"] = .uint32(alignment)
        let file = try ModelFile.parse(builder.build(), name: "aligned")
        for written in builder.tensors {
            let tensor = try file.tensor(named: text(written.name))
            #expect(tensor.byteOffset.isMultiple(of: Int(alignment)))
            #expect(copy(file.bytes(of: tensor)) == written.bytes)
        }
    }

    @Test func `A file without keys and tensors is valid`() throws {
        let file = try ModelFile.parse(GGUFBuilder().build(), name: "empty")
        #expect(file.metadata.keys.isEmpty)
        #expect(file.tensorNames.isEmpty)
    }
}
