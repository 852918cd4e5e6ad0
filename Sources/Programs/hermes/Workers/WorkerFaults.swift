import FaultInjection
import Foundation
import Glibc
import LinkRecords
import Messages

/// What a worker does about its own faults.
enum WorkerFaults {
    /// A role's link with the faults of the command line on it.
    ///
    /// - Parameters:
    ///   - carrier: what carries the role's messages.
    ///   - coordinator: `nil` for one on another host, which no fault here can end.
    static func link(
        _ link: any MessageLink, over carrier: any CarriedLink, faults: [Fault],
        firstPosition: Int, coordinator: Int32?
    ) -> any MessageLink {
        guard !faults.isEmpty else { return link }
        return FaultyLink(link, end: .answer, faults: faults, firstPosition: firstPosition) {
            fault in
            switch fault.action {
            case .kill: killSelf()
            case .stop: _ = kill(getpid(), SIGSTOP)
            case .delay: FaultyLink.sleep(.milliseconds(Int64(1000 * (fault.value ?? 0))))
            case .killCoordinator:
                guard let coordinator else { break }
                _ = kill(coordinator, SIGKILL)
                // It takes this process along.
                FaultyLink.sleep(.seconds(10))
            default: carrier.spoilNext(fault)
            }
        }
    }

    static func killSelf() { _ = kill(getpid(), SIGKILL) }

    /// Leaves this process hardly more memory than it has: the next large piece is refused, as by
    /// a machine that has none left.
    static func refuseMemory() {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").first.flatMap { UInt($0) } ?? 0
        let byteCount = pages * UInt(getpagesize()) + (1 << 20)
        var limit = rlimit(rlim_cur: byteCount, rlim_max: byteCount)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    }
}

extension CarriedLink {
    /// Which bit is turned over: any will do.
    private static var spoiltBit: Int { 19 }

    /// Makes the next message that this end sends fail.
    func spoilNext(_ fault: Fault) {
        switch fault.action {
        case .loseDoorbell: self.fault = .loseDoorbell
        case .halfWritten: self.fault = .halfWritten(then: WorkerFaults.killSelf)
        case .corruptPayload: self.fault = .corruptPayload(bit: Self.spoiltBit)
        case .corruptHeader: self.fault = .corruptHeader(bit: Self.spoiltBit)
        case .skipSequence: self.fault = .skipSequence
        default: break
        }
    }
}
