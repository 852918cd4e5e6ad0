internal import CLinuxShims
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Wakes whoever waits for a worker as soon as that worker has ended, by a thread that sleeps on
/// the workers' pidfds (pidfd_open(2)) and does nothing else.
package final class ExitWatch: Sendable {
    private let sleeper: ExitSleeper
    private let thread: pthread_t

    private init(_ sleeper: ExitSleeper, _ thread: pthread_t) {
        self.sleeper = sleeper
        self.thread = thread
    }

    /// Starts the thread.
    package static func start() throws(SupervisionError) -> ExitWatch {
        let sleeper = try ExitSleeper()
        return ExitWatch(sleeper, try startThread { sleeper.sleep() })
    }

    deinit {
        sleeper.stop()
        _ = pthread_join(thread, nil)
    }

    /// Calls `wake` once, on the watch's thread, when the worker has ended.
    ///
    /// Half of the descriptors that this process may have are left to others: a worker beyond is
    /// not watched, and whoever waits for it finds out at the end of a slice of sleep.
    package func add(
        _ worker: WorkerProcess, wake: @escaping @Sendable () -> Void
    ) throws(SupervisionError) {
        try sleeper.add(processIdentifier: worker.processIdentifier, wake: wake)
    }
}

/// What the watch and its thread share.
private final class ExitSleeper: Sendable {
    private struct State {
        var wakers: [Int32: @Sendable () -> Void] = [:]  // by pidfd
        var isStopping = false
    }

    /// Written to make the thread look at the state anew.
    private let bell: (reading: Int32, writing: Int32)
    private let state = Mutex(State())

    init() throws(SupervisionError) { bell = try openPipe() }

    deinit {
        state.withLock { for descriptor in $0.wakers.keys { _ = close(descriptor) } }
        _ = close(bell.reading)
        _ = close(bell.writing)
    }

    func add(
        processIdentifier: Int32, wake: @escaping @Sendable () -> Void
    ) throws(SupervisionError) {
        let descriptor = Int32(shim_open_process(processIdentifier))
        guard descriptor >= 0 else {
            let cause = Errno.current
            if cause == .tooManyOpenFiles { return }
            throw .exitWatch(cause: cause)
        }
        guard descriptor < openFileLimit() / 2 else {
            _ = close(descriptor)
            return
        }
        state.withLock { $0.wakers[descriptor] = wake }
        ring()
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        ring()
    }

    private func ring() { writeByte(to: bell.writing) }

    /// Until ``stop()``.
    func sleep() {
        while true {
            let (isStopping, watched) = state.withLock {
                ($0.isStopping, $0.wakers.keys.sorted())
            }
            if isStopping { return }
            for descriptor in waitUntilReadable([bell.reading] + watched) {
                if descriptor == bell.reading {
                    readByte(from: descriptor)
                    continue
                }
                let wake = state.withLock { $0.wakers.removeValue(forKey: descriptor) }
                wake?()
                _ = close(descriptor)
            }
        }
    }
}
