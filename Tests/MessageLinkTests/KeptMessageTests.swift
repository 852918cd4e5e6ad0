import Messages
import Simulation
import Testing

@Suite struct KeptMessageTests {
    @Test func `A message is kept as far as it is written, and sent whole`() throws {
        let (start, other): ([UInt8], [UInt8]) = ([1, 2, 3], [7, 8])
        var kept = KeptMessage(byteCount: 100, writtenByteCount: 3) {
            #expect($0.byteCount == 3)
            $0.store(start.span, at: 0)
        }
        #expect(kept.byteCount == 100)
        #expect(kept.written == start)
        let (near, far) = InMemoryLink.pair()
        try kept.send(over: near)
        kept.replace(byteCount: 2, writtenByteCount: 2) { $0.store(other.span, at: 0) }
        try kept.send(over: near)
        try far.receive {
            #expect($0.byteCount == 100)
            #expect($0.copiedBytes(at: 0, byteCount: 3) == start)
        }
        try far.receive { #expect($0.copiedBytes(at: 0, byteCount: $0.byteCount) == other) }
    }
}
