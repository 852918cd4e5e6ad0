import Foundation
import MappedMemory
import SystemPackage
import Testing

@Suite struct FileMappingTests {
    @Test(arguments: [1, 4095, 4096, 4097, 100_000])
    func `A file's bytes are the mapping's bytes`(byteCount: Int) throws {
        let content = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let file = try TemporaryFile(content)
        let mapping = try FileMapping.open(file.path)
        #expect(mapping.byteCount == byteCount)
        #expect(unsafe mapping.bytes.withUnsafeBytes { unsafe Array($0) } == content)
        for hint in [AccessHint.willNeed, .random, .sequential] { try mapping.advise(hint) }
        try mapping.advise(.willNeed, in: byteCount - 1..<byteCount)
        try mapping.advise(.willNeed, in: 0..<0)
    }

    @Test func `Typed elements are read at any aligned offset`() throws {
        let values: [Float] = [1.5, -2, 3.25, 0]
        let content = unsafe values.withUnsafeBytes { unsafe Array($0) }
        let file = try TemporaryFile(content)
        let mapping = try FileMapping.open(file.path)
        let tail = mapping.elements(of: Float.self, atByteOffset: 4, count: 3)
        #expect(tail.count == 3)
        #expect(tail[0] == -2 && tail[1] == 3.25 && tail[2] == 0)
        #expect(mapping.elements(of: UInt8.self, atByteOffset: 16, count: 0).count == 0)
    }

    @Test func `Elements past the end trap`() async {
        await #expect(processExitsWith: .failure) {
            let file = try TemporaryFile([0, 0, 0, 0])
            let mapping = try FileMapping.open(file.path)
            _ = mapping.elements(of: Float.self, atByteOffset: 0, count: 2)
        }
        await #expect(processExitsWith: .failure) {
            let file = try TemporaryFile([UInt8](repeating: 0, count: 64))
            let mapping = try FileMapping.open(file.path)
            _ = mapping.elements(of: Float.self, atByteOffset: 2, count: 1)
        }
    }

    @Test func `A missing file is named with the cause`() {
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try FileMapping.open("/nowhere/model.gguf")
        }
        #expect(
            error == .system(.open, object: "'/nowhere/model.gguf'", cause: .noSuchFileOrDirectory))
        #expect(error?.description.contains("cannot open '/nowhere/model.gguf'") == true)
    }

    @Test func `An empty file is refused`() throws {
        let file = try TemporaryFile([])
        #expect(throws: MappedMemoryError.empty(object: "'\(file.path)'")) {
            _ = try FileMapping.open(file.path)
        }
    }

    @Test func `A directory, a device and a pipe are refused, the pipe without waiting`() throws {
        #expect(
            throws: MappedMemoryError.notRegularFile(object: "'/dev'", kind: "a directory")
        ) { _ = try FileMapping.open("/dev") }
        #expect(
            throws: MappedMemoryError.notRegularFile(
                object: "'/dev/null'", kind: "a character device")
        ) { _ = try FileMapping.open("/dev/null") }
        let file = try TemporaryFile([])
        let pipe = file.path.string + ".pipe"
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        defer { unsafe unlink(pipe) }
        #expect(
            throws: MappedMemoryError.notRegularFile(object: "'\(pipe)'", kind: "a pipe")
        ) { _ = try FileMapping.open(FilePath(pipe)) }
    }

    @Test func `A file above the limit is refused, at the limit accepted`() throws {
        let file = try TemporaryFile([1, 2, 3])
        #expect(
            throws: MappedMemoryError.tooLarge(
                object: "'\(file.path)'", byteCount: 3, maximumByteCount: 2)
        ) { _ = try FileMapping.open(file.path, maximumByteCount: 2) }
        #expect(try FileMapping.open(file.path, maximumByteCount: 3).byteCount == 3)
    }

    @Test func `An inherited descriptor is mapped whole and named in errors`() throws {
        let file = try TemporaryFile([5, 6])
        let descriptor = try FileDescriptor.open(file.path, .readOnly)
        let mapping = try FileMapping.adopt(descriptor, named: "the model")
        #expect(mapping.bytes.byteCount == 2)
        #expect(mapping.descriptor == descriptor)
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try FileMapping.adopt(FileDescriptor(rawValue: 1_000_000), named: "the model")
        }
        #expect(error == .system(.examine, object: "'the model'", cause: .badFileDescriptor))
    }
}

/// A file that is deleted with its owner.
struct TemporaryFile: ~Copyable {
    let path: FilePath

    init(_ content: [UInt8]) throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("mapped-memory-\(UUID().uuidString)")
        try Data(content).write(to: url)
        path = FilePath(url.path)
    }

    deinit { unsafe unlink(path.string) }
}
