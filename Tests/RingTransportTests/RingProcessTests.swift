import Foundation
import LinkRecords
import Messages
import RingTransport
import Simulation
import SystemPackage
import Testing

/// Two processes, one of which ends in ways that it did not choose.
@Suite struct RingProcessTests {
    @Test func `Two processes exchange a hundred thousand messages`() async throws {
        let identity = LinkSession.random()
        let session = identity.description
        let segment = try RingSegment.create(capacityPerDirection: 1 << 14, session: identity)
        let link = try RingLink.coordinatorEnd(segment, waitPolicy: .sleeping, watch: {})
        let side = SideThread { [pair = LinkBox(link)] in
            for number in 0..<100_000 as Range<UInt64> {
                try pair.link.send(number, byteCount: 8 + Int(number % 500))
                let answer = try pair.link.receiveNumber()
                guard answer.byteCount == 8, answer.number == ~number else { return number }
            }
            pair.link.close()
            return UInt64.max
        }
        let parent = getpid()
        let descriptor = segment.descriptor.rawValue
        await #expect(processExitsWith: .success) {
            [
                parent = parent as pid_t, descriptor = descriptor as Int32,
                session = session as String,
            ] in
            let link = try adoptWorkerEnd(of: parent, descriptor, session)
            #expect(throws: LinkError.peerGone("closed")) { try answerForEver(link) }
        }
        #expect(try side.join() == .max, "the round that went wrong")
    }

    @Test func `A killed peer surfaces through the watch, after what it had sent`() async throws {
        let identity = LinkSession.random()
        let session = identity.description
        let segment = try RingSegment.create(capacityPerDirection: 1 << 14, session: identity)
        let state = PeerState()
        let link = try RingLink.coordinatorEnd(
            segment, waitPolicy: .spinning,
            watch: { () throws(LinkError) in
                if let identifier = state.identifier, kill(identifier, 0) != 0 {
                    throw .peerGone("process \(identifier) is gone")
                }
            })
        let side = SideThread { [box = LinkBox(link)] () -> (UInt64, LinkError?) in
            let identifier = try box.link.receiveNumber().number ?? 0
            state.identifier = pid_t(identifier)
            var last: UInt64 = 0
            do throws(LinkError) {
                while true { last = try box.link.receiveNumber().number ?? 0 }
            } catch {
                return (last, error)
            }
        }
        let parent = getpid()
        let descriptor = segment.descriptor.rawValue
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [
                parent = parent as pid_t, descriptor = descriptor as Int32,
                session = session as String,
            ] in
            let link = try adoptWorkerEnd(of: parent, descriptor, session)
            try link.send(UInt64(getpid()))
            for number in 1...50 as ClosedRange<UInt64> { try link.send(number) }
            kill(getpid(), SIGKILL)
        }
        let (last, error) = try side.join()
        #expect(last == 50)
        guard case .peerGone(let how) = error else {
            Issue.record("ended by \(error as Any)")
            return
        }
        #expect(how.hasSuffix("is gone"))
    }
}

/// Answers each number with its complement.
private func answerForEver(_ link: RingLink) throws(LinkError) {
    while true {
        let (_, number) = try link.receiveNumber()
        try link.send(~(number ?? 0))
    }
}
