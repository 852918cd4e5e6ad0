internal import CLinuxShims
internal import Glibc
package import SystemPackage
internal import Synchronization

/// A child process that is never lost: it is watched, ended and reaped by this one owner.
///
/// Safe to use from several threads. The process identifier stays the child's until the child is
/// reaped here, so no signal can reach a stranger; this requires that nothing else in the program
/// waits for arbitrary children (`waitpid(-1, ...)`).
package final class WorkerProcess: Sendable {
    package let processIdentifier: Int32
    /// How it ended, once reaped. The lock makes "not yet reaped, so signal it" one step.
    private let knownExit = Mutex<WorkerExit?>(nil)

    private init(processIdentifier: Int32) {
        self.processIdentifier = processIdentifier
    }

    /// Starts a worker, which is to join a ``ParentBond`` as its first act.
    ///
    /// As ``startUnbonded(executable:arguments:inheriting:)``, only on the main thread: the
    /// kernel sends the parent-death signal when the *thread* that started the child ends, and
    /// only the main thread lasts as long as the process. (An `async` main does not run on it.)
    package static func start(
        executable: String,
        arguments: [String],
        inheriting descriptors: [(descriptor: FileDescriptor, as: Int32)] = []
    ) throws(SupervisionError) -> WorkerProcess {
        precondition(
            getpid() == shim_thread_identifier(),
            "a bonded worker started off the main thread would die with the thread")
        return try startUnbonded(
            executable: executable, arguments: arguments, inheriting: descriptors)
    }

    /// Starts a program with exactly the descriptors that it is meant to have; on any thread.
    ///
    /// The child reads `/dev/null` as standard input, writes its standard output to our standard
    /// error (our standard output carries results only), and has no other descriptor than those
    /// named, whether or not ours are close-on-exec. Its signal actions are the defaults; SIGINT
    /// and SIGHUP, which a terminal sends to the whole group, start blocked: the coordinator alone
    /// decides what they mean. The environment is inherited.
    ///
    /// - Parameters:
    ///   - executable: path of the program; PATH is not searched.
    ///   - arguments: what follows the program's name.
    ///   - descriptors: ours, each with its number in the child: from 3 to 255, no number twice.
    /// - Throws: ``SupervisionError/start(executable:cause:)`` also when the file is missing or no
    ///   program; ``SupervisionError/inherit(descriptor:childDescriptor:cause:)``.
    package static func startUnbonded(
        executable: String,
        arguments: [String],
        inheriting descriptors: [(descriptor: FileDescriptor, as: Int32)] = []
    ) throws(SupervisionError) -> WorkerProcess {
        precondition(descriptors.allSatisfy { (3...255).contains($0.as) })
        precondition(Set(descriptors.map(\.as)).count == descriptors.count)
        precondition(!executable.utf8.contains(0))
        precondition(arguments.allSatisfy { !$0.utf8.contains(0) })
        // A launcher that ignored SIGCHLD leaves us children that vanish without a status.
        try setAction(of: SIGCHLD, to: SIG_DFL)
        let copies = try DescriptorCopies(of: descriptors)
        let identifier = try spawn(
            executable: executable, arguments: arguments, descriptors: copies.entries)
        return WorkerProcess(processIdentifier: identifier)
    }

    deinit {
        guard knownExit.withLock({ $0 == nil }) else { return }
        _ = Glibc.kill(processIdentifier, SIGKILL)
        _ = waitForStatus(of: processIdentifier, block: true)
    }

    /// How it ended, or nil while it runs. Costs one system call while it runs, none afterwards.
    package func poll() -> WorkerExit? {
        knownExit.withLock { known in
            if known == nil, let status = waitForStatus(of: processIdentifier, block: false) {
                known = WorkerExit(waitStatus: status)
            }
            return known
        }
    }

    /// Waits until it has ended, at most `limit`; looks at least every 5 ms.
    package func wait(upTo limit: Duration) -> WorkerExit? {
        wait(until: .now + limit)
    }

    /// Asks it to end (SIGTERM), kills it after `grace`, and reaps it.
    @discardableResult
    package func terminate(grace: Duration) -> WorkerExit {
        requestEnd()
        return finish(by: .now + grace)
    }

    /// Kills it at once (SIGKILL, which a stopped process obeys, too) and reaps it.
    @discardableResult
    package func kill() -> WorkerExit { finish(by: .now) }

    /// CPU time that it has had so far; `nil` when it is gone.
    package func processorTime() -> Duration? {
        knownExit.withLock { known in
            known == nil ? Supervision.processorTime(of: processIdentifier) : nil
        }
    }

    /// Whether a signal has stopped it (SIGSTOP): its state in /proc is T.
    package func isStopped() -> Bool {
        knownExit.withLock { known in
            known == nil && ProcessStatus(processIdentifier: processIdentifier)?.state == "T"
        }
    }

    /// Lets a stopped process go on (SIGCONT).
    package func resume() { signalUnlessReaped(SIGCONT) }

    fileprivate func requestEnd() {
        signalUnlessReaped(SIGTERM)
    }

    fileprivate func finish(by deadline: ContinuousClock.Instant) -> WorkerExit {
        if let exit = wait(until: deadline) { return exit }
        signalUnlessReaped(SIGKILL)
        return knownExit.withLock { known in
            if let known { return known }
            guard let status = waitForStatus(of: processIdentifier, block: true) else {
                preconditionFailure("a blocking wait returned without a status")
            }
            let exit = WorkerExit(waitStatus: status)
            known = exit
            return exit
        }
    }

    private func wait(until deadline: ContinuousClock.Instant) -> WorkerExit? {
        var pause = Duration.microseconds(100)
        while true {
            if let exit = poll() { return exit }
            let remaining = ContinuousClock.now.duration(to: deadline)
            guard remaining > .zero else { return nil }
            sleepThread(for: min(pause, remaining))
            pause = min(pause * 2, .milliseconds(5))
        }
    }

    private func signalUnlessReaped(_ signal: Int32) {
        knownExit.withLock { known in
            if known == nil { _ = Glibc.kill(processIdentifier, signal) }
        }
    }
}

extension Sequence<WorkerProcess> {
    /// As ``WorkerProcess/terminate(grace:)``, all of them within one grace period.
    ///
    /// - Returns: how each ended, in order.
    @discardableResult
    package func terminateAll(grace: Duration) -> [WorkerExit] {
        let workers = Array(self)
        let deadline = ContinuousClock.now + grace
        for worker in workers { worker.requestEnd() }
        return workers.map { $0.finish(by: deadline) }
    }
}

/// Copies of descriptors above every number that the child will use, so that no `dup2` in the child
/// overwrites a descriptor that a later one still needs. Closed when the child has its own.
private struct DescriptorCopies: ~Copyable {
    private(set) var entries: [(source: Int32, target: Int32)] = []

    init(of wanted: [(descriptor: FileDescriptor, as: Int32)]) throws(SupervisionError) {
        let firstFree = (wanted.map(\.as).max() ?? 2) + 1
        for (descriptor, target) in wanted {
            let copy = fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, firstFree)
            guard copy >= 0 else {
                let cause = Errno.current
                for entry in entries { _ = close(entry.source) }
                throw .inherit(
                    descriptor: descriptor.rawValue, childDescriptor: target, cause: cause)
            }
            entries.append((copy, target))
        }
    }

    deinit {
        for entry in entries { _ = close(entry.source) }
    }
}
