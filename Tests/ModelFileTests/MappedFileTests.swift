import Glibc
import MappedMemory
import ModelFile
import SystemPackage
import TestModels
import Testing
import WeightFormats

/// Files on disk: what the mapping adds to what bytes in memory do.
@Suite struct MappedFileTests {
    @Test func `A mapped file reads as the same bytes in memory`() throws {
        let bytes = TinyLlama.build(format: .q8_0)
        try withTemporaryFile(bytes) { path in
            let file = try ModelFile.open(path: path.string)
            #expect(file.byteCount == bytes.count)
            let tensor = try file.tensor(named: "blk.0.attn_q.weight")
            let range = tensor.byteOffset..<tensor.byteOffset + tensor.byteCount
            #expect(copy(file.bytes(of: tensor)) == Array(bytes[range]))

            let descriptor = try FileDescriptor.open(path, .readOnly)
            let adopted = try ModelFile.adopt(descriptor, name: "inherited")
            #expect(adopted.name == "inherited")
            #expect(adopted.descriptor == descriptor)
            #expect(copy(adopted.bytes) == bytes)
            #expect(copy(adopted.bytes(of: tensor)) == Array(bytes[range]))
        }
    }

    @Test func `A path that is missing, a directory or empty is bad input`() throws {
        for path in ["/nonexistent/model.gguf", "/"] {
            let error = #expect(throws: ModelFileError.self) { try ModelFile.open(path: path) }
            #expect(error?.isLackOfResources == false)
            #expect(error?.description.contains("'\(path)'") == true)
        }
        try withTemporaryFile([]) { path in
            let error = #expect(throws: ModelFileError.self) {
                try ModelFile.open(path: path.string)
            }
            #expect(error?.isLackOfResources == false)
            #expect(error?.description.hasSuffix("is empty") == true)
        }
    }

    @Test func `A refused mapped file names its path`() throws {
        try withTemporaryFile(Array("not a model".utf8)) { path in
            #expect(
                throws: ModelFileError(
                    file: path.string, place: .byte(0),
                    rule: .notGGUF(firstBytes: Array("not ".utf8)))
            ) { try ModelFile.open(path: path.string) }
        }
    }

    @Test func `A damaged file that is inherited is refused under the name given`() throws {
        try withTemporaryFile(Array("GGUF".utf8)) { path in
            let descriptor = try FileDescriptor.open(path, .readOnly)
            #expect(
                throws: ModelFileError(
                    file: "inherited", place: .byte(4), rule: .truncated(needed: 4, available: 0))
            ) { try ModelFile.adopt(descriptor, name: "inherited") }
        }
    }

    @Test func `A file that changes after it was opened gives errors, not faults`() throws {
        let bytes = TinyLlama.build()
        try withTemporaryFile(bytes) { path in
            let file = try ModelFile.open(path: path.string)
            _ = try TokenizerMetadata.read(from: file)
            // A header without a single sensible length.
            let start = try file.tensor(named: "token_embd.weight").byteOffset
            let writer = try FileDescriptor.open(path, .writeOnly)
            try writer.closeAfter {
                _ = try writer.writeAll(toAbsoluteOffset: 0, [UInt8](repeating: 0xFE, count: start))
            }
            #expect(throws: ModelFileError.self) { try DecoderShape.read(from: file) }
            #expect(throws: ModelFileError.self) { try TokenizerMetadata.read(from: file) }
            let tokens = #expect(throws: ModelFileError.self) {
                try file.metadata.byteStrings("tokenizer.ggml.tokens", maximumCount: 1000)
            }
            #expect(
                tokens?.rule
                    == .lengthOutOfRange(
                        "a string", length: 0xFEFE_FEFE_FEFE_FEFE, allowed: 0...65_536))
        }
    }

    @Test func `Too little address space is a lack of resources, not bad input`() async {
        await #expect(processExitsWith: .success) {
            try withTemporaryFile([0]) { path in
                let sparse = try FileDescriptor.open(path, .readWrite)
                guard ftruncate(sparse.rawValue, 1 << 36) == 0 else { _exit(2) }
                var limit = rlimit(rlim_cur: 1 << 35, rlim_max: 1 << 35)
                guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0
                else { _exit(3) }
                do throws(ModelFileError) {
                    _ = try ModelFile.adopt(sparse, name: "sparse")
                } catch {
                    if error.isLackOfResources { return }
                }
                unsafe unlink(path.string)
                _exit(4)
            }
        }
    }
}
