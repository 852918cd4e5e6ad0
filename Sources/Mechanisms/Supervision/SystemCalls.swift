// The module's only unsafe code: calls that take pointers.
internal import CLinuxShims
internal import Glibc
internal import SystemPackage

/// Starts a program by `posix_spawn`; see ``WorkerProcess`` for what the child gets.
///
/// - Parameter descriptors: copies above all targets, each with its number in the child.
/// - Returns: the process identifier.
func spawn(
    executable: String, arguments: [String], descriptors: [(source: Int32, target: Int32)]
) throws(SupervisionError) -> Int32 {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    // glibc's initializers cannot fail; the calls below fail only for lack of memory.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
    }
    var status = unsafe addFileActions(to: &actions, descriptors: descriptors)
    if status == 0 { status = setSignalAttributes(of: &attributes) }
    var identifier: pid_t = 0
    if status == 0 {
        var words = unsafe ([executable] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { unsafe words.forEach { unsafe free($0) } }
        status = unsafe posix_spawn(
            &identifier, executable, &actions, &attributes, words, Glibc.environ)
    }
    guard status == 0 else {
        throw .start(executable: executable, cause: Errno(rawValue: status))
    }
    return identifier
}

private func addFileActions(
    to actions: inout posix_spawn_file_actions_t, descriptors: [(source: Int32, target: Int32)]
) -> Int32 {
    var statuses = [
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    ]
    if fcntl(2, F_GETFD) < 0 {
        statuses.append(
            unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0))
    }
    statuses.append(unsafe posix_spawn_file_actions_adddup2(&actions, 2, 1))
    for (source, target) in descriptors {
        statuses.append(unsafe posix_spawn_file_actions_adddup2(&actions, source, target))
    }
    let targets = Set(descriptors.map(\.target))
    let firstUnused = (targets.max() ?? 2) + 1
    for gap in 3..<firstUnused where !targets.contains(gap) {
        // Closing what is not open is no error here (glibc).
        statuses.append(unsafe posix_spawn_file_actions_addclose(&actions, gap))
    }
    // Others' descriptors may lack close-on-exec: none of them reaches the child.
    statuses.append(unsafe shim_spawn_add_close_from(&actions, firstUnused))
    return statuses.first { $0 != 0 } ?? 0
}

/// Default actions for all signals; SIGINT and SIGHUP blocked until the child decides.
private func setSignalAttributes(of attributes: inout posix_spawnattr_t) -> Int32 {
    var all = sigset_t()
    var blocked = sigset_t()
    unsafe sigfillset(&all)
    unsafe sigemptyset(&blocked)
    for signal in terminalSignals { unsafe sigaddset(&blocked, signal) }
    let flags = Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
    let statuses = [
        unsafe posix_spawnattr_setsigdefault(&attributes, &all),
        unsafe posix_spawnattr_setsigmask(&attributes, &blocked),
        unsafe posix_spawnattr_setflags(&attributes, flags),
    ]
    return statuses.first { $0 != 0 } ?? 0
}

/// The status of `waitpid(2)`, or nil while the child runs and `block` is false.
func waitForStatus(of identifier: Int32, block: Bool) -> Int32? {
    var status: Int32 = 0
    while true {
        let answer = unsafe waitpid(identifier, &status, block ? 0 : WNOHANG)
        if answer == identifier { return status }
        if answer == 0 { return nil }
        // EINTR aside, only ECHILD is possible: then other code waited for our child.
        precondition(errno == EINTR, "child \(identifier) was reaped by someone else")
    }
}

/// Signals that a terminal sends to all processes of its foreground group.
let terminalSignals = [SIGINT, SIGHUP]

/// Sets what a signal does from now on, for the whole process: `SIG_DFL`, `SIG_IGN` or a function.
func setAction(
    of signal: Int32, to handler: sighandler_t?, flags: Int32 = 0
) throws(SupervisionError) {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = handler
    action.sa_flags = flags
    guard unsafe sigaction(signal, &action, nil) == 0 else {
        throw .signalAction(name: signalName(signal), cause: .current)
    }
}

/// Whether the program that started us wants this signal ignored (`nohup`).
func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(signal, nil, &action) == 0 else { return false }
    let handler = unsafe action.__sigaction_handler.sa_handler
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
}

/// Lets the calling thread receive these signals.
func unblock(_ signals: [Int32]) throws(SupervisionError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal) }
    let status = unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    guard status == 0 else {
        let names = signals.map(signalName).joined(separator: ", ")
        throw .signalAction(name: names, cause: Errno(rawValue: status))
    }
}

/// Such as "SIGKILL"; "signal 40" for one without a name.
package func signalName(_ signal: Int32) -> String {
    guard let name = unsafe shim_signal_abbreviation(signal) else { return "signal \(signal)" }
    return unsafe "SIG" + String(cString: name)
}

/// Sleeps, unless a signal comes first.
func sleepThread(for duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var request = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    _ = unsafe nanosleep(&request, nil)
}

/// Starts a thread that no signal interrupts: signals are for the main thread.
func startThread(_ body: @escaping @Sendable () -> Void) throws(SupervisionError) -> pthread_t {
    var all = sigset_t()
    var former = sigset_t()
    unsafe sigfillset(&all)
    _ = unsafe pthread_sigmask(SIG_SETMASK, &all, &former)
    defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &former, nil) }
    let work = unsafe Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    let status = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }, work.toOpaque())
    guard status == 0 else {
        unsafe work.release()
        throw .exitWatch(cause: Errno(rawValue: status))
    }
    return thread
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A pipe whose ends no child inherits.
func openPipe() throws(SupervisionError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0 else { throw .exitWatch(cause: .current) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
}

func writeByte(to descriptor: Int32) {
    var byte: UInt8 = 0
    _ = unsafe write(descriptor, &byte, 1)
}

func readByte(from descriptor: Int32) {
    var byte: UInt8 = 0
    _ = unsafe read(descriptor, &byte, 1)
}

/// Sleeps until at least one of the descriptors is readable; which ones are. None are when the time
/// is over first; -1 is forever.
func waitUntilReadable(_ descriptors: [Int32], milliseconds: Int32 = -1) -> [Int32] {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while unsafe poll(&entries, nfds_t(entries.count), milliseconds) < 0 {
        precondition(errno == EINTR, "a poll over open descriptors")
    }
    return entries.filter { $0.revents != 0 }.map(\.fd)
}

/// CPU time that all threads of a process have had; `nil` when it is gone.
func processorTime(of identifier: Int32) -> Duration? {
    var clock = clockid_t()
    var time = timespec()
    guard unsafe clock_getcpuclockid(identifier, &clock) == 0,
        unsafe clock_gettime(clock, &time) == 0
    else { return nil }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// The soft RLIMIT_AS in bytes, or nil when there is none.
func addressSpaceLimit() -> Int? {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return nil }
    return Int(exactly: limit.rlim_cur)
}

/// The soft RLIMIT_NOFILE.
func openFileLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
        return 0
    }
    return Int(clamping: limit.rlim_cur)
}

/// The whole content of a small file of the kernel, which tells no size in advance.
func readTextFile(_ path: String) throws(SupervisionError) -> String {
    do {
        let file = try unsafe FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        return try file.closeAfter {
            var bytes: [UInt8] = []
            var part = [UInt8](repeating: 0, count: 16_384)
            while true {
                let count = try unsafe part.withUnsafeMutableBytes {
                    try unsafe file.read(into: $0)
                }
                if count == 0 { break }
                bytes += part.prefix(count)
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    } catch let cause as Errno {
        throw .read(path: path, cause: cause)
    } catch {
        preconditionFailure("swift-system throws Errno only")
    }
}

extension Errno {
    /// The calling thread's `errno`; read it before any other call.
    static var current: Errno { Errno(rawValue: Glibc.errno) }
}
