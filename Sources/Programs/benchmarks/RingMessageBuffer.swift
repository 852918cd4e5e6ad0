// The only file of the benchmarks that holds a raw pointer: private memory for one message.

import Glibc
import Messages
import SystemPackage

/// A message's bytes in this process, 64 B aligned.
@safe
final class MessageBuffer {
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(byteCount: Int) {
        unsafe base = .allocate(byteCount: byteCount, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        self.byteCount = byteCount
    }

    deinit { unsafe base.deallocate() }

    func fill(_ body: (inout MutableRawSpan) -> Void) {
        var span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
        body(&span)
    }

    func read(_ body: (RawSpan) -> Void) {
        unsafe body(RawSpan(_unsafeStart: base, byteCount: byteCount))
    }

    func copy(from source: RawSpan) {
        precondition(source.byteCount == byteCount)
        unsafe source.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { unsafe memcpy(base, start, byteCount) }
        }
    }

    func copy(to target: inout MutableRawSpan) {
        precondition(target.byteCount == byteCount)
        unsafe target.withUnsafeMutableBytes { bytes in
            if let start = bytes.baseAddress { unsafe memcpy(start, base, byteCount) }
        }
    }

    /// Writes all of it.
    func write(to descriptor: FileDescriptor) throws(LinkError) {
        var done = 0
        while done < byteCount {
            let count = unsafe Glibc.write(descriptor.rawValue, base + done, byteCount - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .peerGone("write: \(Errno(rawValue: errno))") }
            done += count
        }
    }

    /// Reads as much as it holds.
    func read(from descriptor: FileDescriptor) throws(LinkError) {
        var done = 0
        while done < byteCount {
            let count = unsafe Glibc.read(descriptor.rawValue, base + done, byteCount - done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .peerGone("end of stream") }
            done += count
        }
    }
}
