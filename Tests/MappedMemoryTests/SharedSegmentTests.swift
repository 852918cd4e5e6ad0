import Glibc
import MappedMemory
import SystemPackage
import Testing

@Suite struct SharedSegmentTests {
    @Test func `A new segment is zero, and both mappings see one memory`() throws {
        let segment = try SharedSegment.create(byteCount: 3 * pageByteCount)
        #expect(segment.byteCount == 3 * pageByteCount)
        let first = try segment.map()
        let second = try segment.map()
        #expect(first.byteCount == segment.byteCount)
        var sum = 0
        for offset in 0..<first.byteCount { sum += Int(first.byte(at: offset)) }
        #expect(sum == 0)
        first.setByte(42, at: first.byteCount - 1)
        #expect(second.byte(at: second.byteCount - 1) == 42)
    }

    @Test func `A mapping outlives its segment`() throws {
        let mapping = try makeMapping()
        mapping.setByte(7, at: 0)
        #expect(mapping.byte(at: 0) == 7)
    }

    @Test func `All pages are reserved, the mode is private, and no name is left`() throws {
        let byteCount = 8 * pageByteCount
        let segment = try SharedSegment.create(byteCount: byteCount)
        var status = stat()
        #expect(unsafe fstat(segment.descriptor.rawValue, &status) == 0)
        #expect(status.st_blocks * 512 >= byteCount, "not reserved")
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(status.st_nlink == 0, "still has a name")
    }

    @Test func `More than the machine has is refused with both sizes, before it is taken`() throws {
        let byteCount = 1 << 45
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try SharedSegment.create(byteCount: byteCount)
        }
        guard case .noRoom(_, let needed, let free, let total) = error else {
            Issue.record("unexpected error: \(String(describing: error))")
            return
        }
        #expect(needed == byteCount)
        #expect(free <= total)
        #expect(total < byteCount)
        #expect("\(try #require(error))".contains("/dev/shm has \(free) bytes free of \(total)"))
    }

    @Test func `Adopting takes the size from the kernel`() throws {
        let segment = try SharedSegment.create(byteCount: 12345)
        let adopted = try SharedSegment.adopt(
            try segment.descriptor.duplicate(), minimumByteCount: 12345)
        #expect(adopted.byteCount == 12345)
        let ours = try segment.map()
        let theirs = try adopted.map()
        ours.setByte(9, at: 12344)
        #expect(theirs.byte(at: 12344) == 9)
    }

    @Test func `Adopting refuses a segment that is too small`() throws {
        let segment = try SharedSegment.create(byteCount: 4096)
        let copy = try segment.descriptor.duplicate()
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try SharedSegment.adopt(copy, minimumByteCount: 4097)
        }
        guard case .tooSmall(_, 4096, 4097) = error else {
            Issue.record("unexpected error: \(String(describing: error))")
            return
        }
    }

    @Test func `Adopting refuses what is no segment`() throws {
        let pipe = try FileDescriptor.pipe()
        defer { try? pipe.writeEnd.close() }
        let error = #expect(throws: MappedMemoryError.self) {
            _ = try SharedSegment.adopt(pipe.readEnd, minimumByteCount: 1)
        }
        guard case .notRegularFile(_, "a pipe") = error else {
            Issue.record("unexpected error: \(String(describing: error))")
            return
        }
        let none = FileDescriptor(rawValue: 1_000_000)
        #expect(throws: MappedMemoryError.self) {
            _ = try SharedSegment.adopt(none, minimumByteCount: 1)
        }
    }

    @Test func `An address outside the mapping traps`() async {
        await #expect(processExitsWith: .failure) {
            let mapping = try SharedSegment.create(byteCount: 4096).map()
            _ = unsafe mapping.address(atByteOffset: 4095, byteCount: 2)
        }
        await #expect(processExitsWith: .failure) {
            let mapping = try SharedSegment.create(byteCount: 4096).map()
            _ = unsafe mapping.address(atByteOffset: -1, byteCount: 1)
        }
        await #expect(processExitsWith: .failure) {
            let mapping = try SharedSegment.create(byteCount: 4096).map()
            _ = unsafe mapping.address(atByteOffset: .max, byteCount: 8)
        }
    }

    private func makeMapping() throws -> SharedMapping {
        try SharedSegment.create(byteCount: 4096).map()
    }
}

extension SharedMapping {
    fileprivate func byte(at offset: Int) -> UInt8 {
        unsafe address(atByteOffset: offset, byteCount: 1).load(as: UInt8.self)
    }

    fileprivate func setByte(_ byte: UInt8, at offset: Int) {
        unsafe address(atByteOffset: offset, byteCount: 1).storeBytes(of: byte, as: UInt8.self)
    }
}
