import Messages
import Testing

/// Bytes of a message that tests write and read.
struct Message {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// A message of `byteCount` bytes, each `filler`, that `fill` then writes.
    init(
        byteCount: Int, filler: UInt8 = 0xA5, _ fill: (inout MutableRawSpan) -> Void = { _ in }
    ) {
        bytes = Array(repeating: filler, count: byteCount)
        var elements = bytes.mutableSpan
        var span = unsafe elements.mutableBytes
        fill(&span)
    }

    func read<Value, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try unsafe body(bytes.span.bytes)
    }
}

/// Expects a refusal whose text contains `part`.
func expectCorrupt<Value>(
    _ part: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(LinkError) -> Value
) {
    do throws(LinkError) {
        _ = try body()
        Issue.record("nothing was refused", sourceLocation: sourceLocation)
    } catch .peerCorrupt(let text) {
        #expect(text.contains(part), sourceLocation: sourceLocation)
    } catch {
        Issue.record("refused as \(error)", sourceLocation: sourceLocation)
    }
}
