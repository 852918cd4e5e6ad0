internal import CLinuxShims
internal import Glibc
internal import SystemPackage

/// A process that is no child of ours, known by more than its number, which the kernel gives to
/// another process later.
package struct IdentifiedProcess: Equatable, Sendable {
    package let processIdentifier: Int32
    /// As ``ProcessStatus/startTime``.
    private let startTime: UInt64

    /// `nil` when there is no such process, or it has ended and nobody has reaped it.
    package init?(_ processIdentifier: Int32) {
        guard let startTime = Self.startTime(of: processIdentifier) else { return nil }
        self.processIdentifier = processIdentifier
        self.startTime = startTime
    }

    /// Kills it (SIGKILL) and waits until it is gone, at most two seconds. One that is gone already
    /// is fine, and whoever has its number now is left alone.
    ///
    /// - Throws: ``SupervisionError/kill(processIdentifier:cause:)``.
    package func kill() throws(SupervisionError) {
        let descriptor = Int32(shim_open_process(processIdentifier))
        guard descriptor >= 0 else {
            let cause = Errno.current
            if cause == .noSuchProcess { return }
            throw .kill(processIdentifier: processIdentifier, cause: cause)
        }
        defer { _ = close(descriptor) }
        // The descriptor holds on to whoever has the number now: is it the one that was found?
        guard Self.startTime(of: processIdentifier) == startTime else { return }
        guard shim_signal_process(descriptor, SIGKILL) == 0 else {
            let cause = Errno.current
            if cause == .noSuchProcess { return }
            throw .kill(processIdentifier: processIdentifier, cause: cause)
        }
        guard !waitUntilReadable([descriptor], milliseconds: 2_000).isEmpty else {
            throw .kill(processIdentifier: processIdentifier, cause: .timedOut)
        }
    }

    private static func startTime(of processIdentifier: Int32) -> UInt64? {
        guard let status = ProcessStatus(processIdentifier: processIdentifier),
            status.state != "Z"
        else { return nil }
        return status.startTime
    }
}
