import MappedMemory
import SystemPackage
import Testing

@Suite struct AnonymousMappingTests {
    @Test(arguments: [1, 4096, 1_000_003])
    func `New memory is zero, page-aligned and as large as asked for`(byteCount: Int) throws {
        var mapping = try AnonymousMapping.create(byteCount: byteCount, purpose: "test memory")
        #expect(mapping.byteCount == byteCount)
        #expect(mapping.bytes.byteCount == byteCount)
        #expect(unsafe mapping.bytes.withUnsafeBytes { unsafe $0.allSatisfy { $0 == 0 } })
        let isAligned = unsafe mapping.bytes.withUnsafeBytes {
            UInt(bitPattern: $0.baseAddress) % UInt(pageByteCount) == 0
        }
        #expect(isAligned)
        var bytes = mapping.mutableBytes
        bytes.storeBytes(of: 9, toByteOffset: byteCount - 1, as: UInt8.self)
        #expect(unsafe mapping.bytes.unsafeLoad(fromByteOffset: byteCount - 1, as: UInt8.self) == 9)
    }

    @Test func `Typed views see the same memory, each its own range`() throws {
        var mapping = try AnonymousMapping.create(byteCount: 64, purpose: "weights")
        var floats = mapping.mutableElements(of: Float.self, atByteOffset: 16, count: 4)
        for index in 0..<4 { floats[index] = Float(index) + 0.5 }
        let read = mapping.elements(of: Float.self, atByteOffset: 20, count: 2)
        #expect(read[0] == 1.5 && read[1] == 2.5)
        let patterns = mapping.elements(of: UInt32.self, atByteOffset: 16, count: 1)
        #expect(patterns[0] == Float(0.5).bitPattern)
    }

    @Test func `Hints are accepted on all of it and on parts`() throws {
        let mapping = try AnonymousMapping.create(byteCount: 1 << 22, purpose: "weights")
        try mapping.advise(.hugePages)
        try mapping.advise(.willNeed, in: 5..<4097)
    }

    /// A machine's pool is most often empty; the lab has one that is not.
    @Test func `Memory of the kernel's pool is whole huge pages, or refused with the step`() throws
    {
        let pageByteCount = 2 << 20
        do throws(MappedMemoryError) {
            var mapping = try AnonymousMapping.createPooled(
                byteCount: pageByteCount + 5, pageByteCount: pageByteCount, purpose: "weights")
            #expect(mapping.byteCount == pageByteCount + 5)
            var bytes = mapping.mutableBytes
            bytes.storeBytes(of: 9, toByteOffset: pageByteCount + 4, as: UInt8.self)
        } catch {
            guard case .system(.takeHugePages, let object, _) = error else { throw error }
            #expect(object == "weights (\(pageByteCount + 5) bytes)")
        }
    }

    @Test func `More than an address space is refused by purpose and size`() {
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try AnonymousMapping.create(byteCount: 1 << 60, purpose: "the weight shard")
        }
        #expect(
            error
                == .system(
                    .map, object: "the weight shard (\(1 << 60) bytes)", cause: .noMemory))
    }

    @Test func `Views past the end, misaligned or of no memory trap`() async {
        await #expect(processExitsWith: .failure) {
            let mapping = try AnonymousMapping.create(byteCount: 8, purpose: "test")
            _ = mapping.elements(of: Float.self, atByteOffset: 4, count: 2)
        }
        await #expect(processExitsWith: .failure) {
            var mapping = try AnonymousMapping.create(byteCount: 8, purpose: "test")
            _ = mapping.mutableElements(of: Float.self, atByteOffset: 1, count: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = try AnonymousMapping.create(byteCount: 0, purpose: "test")
        }
    }
}
