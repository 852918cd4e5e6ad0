internal import Glibc
internal import Synchronization

/// The coordinator's wish to stop, as SIGINT, SIGTERM and SIGHUP tell it.
///
/// A handler may do next to nothing, so it only notes the signal; whoever waits looks at
/// ``pending``. The signals interrupt a sleeping system call (no SA_RESTART) of the thread that
/// receives them.
package enum StopSignals {
    private static let firstReceived = Atomic<Int32>(0)

    /// Notes these signals from now on. A second one of the same kind ends the process at once.
    ///
    /// SIGHUP stays ignored where it was (`nohup`). SIGINT does not: shells start background jobs
    /// with SIGINT ignored, and someone who then sends it to this process means it.
    package static func install() throws(SupervisionError) {
        // Touched here, so that no handler is the one to initialize it.
        firstReceived.store(0, ordering: .relaxed)
        let signals = [SIGINT, SIGTERM, SIGHUP].filter { $0 != SIGHUP || !isIgnored($0) }
        let oneShot = Int32(bitPattern: UInt32(SA_RESETHAND))
        for signal in signals {
            try setAction(of: signal, to: { StopSignals.note($0) }, flags: oneShot)
        }
        try unblock(signals)
    }

    /// The first signal that asked us to stop, or nil.
    package static var pending: Int32? {
        let signal = firstReceived.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    /// Makes a write to a reader that has gone fail with EPIPE instead of ending the process.
    package static func ignoreBrokenPipes() throws(SupervisionError) {
        try setAction(of: SIGPIPE, to: SIG_IGN)
    }

    private static func note(_ signal: Int32) {
        _ = firstReceived.compareExchange(expected: 0, desired: signal, ordering: .relaxed)
    }
}
