internal import CLinuxShims
internal import Glibc

/// A worker's side of "no worker outlives its coordinator".
package enum ParentBond {
    /// Ties this process's life to its parent's; the first thing that a worker does.
    ///
    /// From the return on, the kernel kills this process (SIGKILL) when the parent's main thread
    /// ends, however it ends. Before that, a dead parent is seen here, and the process ends at once
    /// with code 75: there is no moment at which a worker can be left behind. SIGINT and SIGHUP,
    /// blocked since ``WorkerProcess/start(executable:arguments:inheriting:)``, are ignored.
    ///
    /// Call it on the main thread: the kernel keeps the request in the calling thread.
    ///
    /// - Parameter expectedParent: process identifier of the coordinator, as it told us itself; one
    ///   that died before we asked the kernel would otherwise go unnoticed.
    package static func join(expectedParent: Int32) throws(SupervisionError) {
        precondition(getpid() == shim_thread_identifier(), "the bond would end with this thread")
        guard shim_set_parent_death_signal(SIGKILL) == 0 else {
            throw .parentBond(cause: .current)
        }
        // In this order: a parent that dies after the check is now the kernel's business.
        guard getppid() == expectedParent else { _exit(EX_TEMPFAIL) }
        for signal in terminalSignals { try setAction(of: signal, to: SIG_IGN) }
        try unblock(terminalSignals)
    }
}
