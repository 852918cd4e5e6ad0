import Glibc
import Messages
import SystemPackage

/// Messages of one fixed size over pipes or a socket: what rings are compared with.
final class DescriptorLink: MessageLink {
    let maximumMessageByteCount: Int
    private let input: FileDescriptor
    private let output: FileDescriptor
    private let buffer: MessageBuffer

    /// Takes over both descriptors, which may be one.
    init(input: FileDescriptor, output: FileDescriptor, messageByteCount: Int) {
        self.input = input
        self.output = output
        maximumMessageByteCount = messageByteCount
        buffer = MessageBuffer(byteCount: messageByteCount)
    }

    deinit {
        try? input.close()
        if output != input { try? output.close() }
    }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        precondition(byteCount == maximumMessageByteCount)
        buffer.fill(fill)
        try buffer.write(to: output)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        try buffer.read(from: input)
        buffer.read(read)
    }

    /// Not needed by the measurements: they wait.
    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        var readiness = pollfd(fd: input.rawValue, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&readiness, 1, 0) > 0 else { return false }
        try receive(read)
        return true
    }
}
