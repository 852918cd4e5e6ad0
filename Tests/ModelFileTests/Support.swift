import Glibc
import ModelFile
import SystemPackage
import TestModels
import Testing

/// What the suites of this target share.

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

func copy(_ span: RawSpan) -> [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

/// Everything that a run reads from a model file, in the order of a run.
func readWhole(_ bytes: [UInt8], name: String = "test") throws(ModelFileError) {
    let file = try ModelFile.parse(bytes, name: name)
    let shape = try DecoderShape.read(from: file)
    _ = try DecoderWeights.read(from: file, shape: shape)
    _ = try TokenizerMetadata.read(from: file)
}

/// The error of reading a whole model; an issue if there is none.
func refusal(of builder: GGUFBuilder) -> ModelFileError? {
    #expect(throws: ModelFileError.self) { try readWhole(builder.build()) }
}

/// Expects one exact refusal from a tiny model that was changed in one way.
func expectRefusal(
    _ place: ModelFileError.Place, _ rule: ModelFileError.Rule,
    sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout GGUFBuilder) -> Void
) {
    var builder = TinyLlama.builder()
    change(&builder)
    #expect(
        throws: ModelFileError(file: "test", place: place, rule: rule),
        sourceLocation: sourceLocation
    ) { try readWhole(builder.build()) }
}

/// Writes a file that is gone when `body` returns.
func withTemporaryFile(_ bytes: [UInt8], _ body: (FilePath) throws -> Void) throws {
    let name = "model-file-test-\(UInt64.random(in: .min ... .max)).gguf"
    let path = FilePath(P_tmpdir).appending(name)
    let descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
    defer { unsafe unlink(path.string) }
    try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
    try body(path)
}
