// The suite's only unsafe code: calls that take pointers.
import CLinuxShims
import Glibc

/// How a process ended.
enum Ending: Equatable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    init(waitStatus status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
    }

    var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .killed(let signal): "killed by signal \(signal)"
        }
    }
}

/// A child process as a terminal's shell starts one: leader of its own process group, no signal
/// ignored or blocked, no descriptor but the standard three, which are files. Killed and reaped
/// when its owner goes. (Foundation's `Process` inherits ignored signals, and sees an end only
/// when all descendants have ended.)
final class SpawnedProcess {
    let identifier: Int32
    private var knownEnding: Ending?

    /// - Parameters:
    ///   - command: path of the program, then its arguments.
    ///   - input: opened for reading; a pipe for writing, too, so that it never ends.
    init(
        command: [String], environment: [String], input: String, output: String, errors: String
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        let new = O_WRONLY | O_CREAT | O_TRUNC
        unsafe posix_spawn_file_actions_addopen(&actions, 0, input, O_RDWR, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, output, new, 0o600)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, errors, new, 0o600)
        _ = unsafe shim_spawn_add_close_from(&actions, 3)
        var all = sigset_t()
        var none = sigset_t()
        unsafe sigfillset(&all)
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        var words = unsafe command.map { unsafe strdup($0) } + [nil]
        var variables = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer {
            unsafe words.forEach { unsafe free($0) }
            unsafe variables.forEach { unsafe free($0) }
        }
        var number: pid_t = 0
        let status = unsafe posix_spawn(
            &number, command[0], &actions, &attributes, &words, &variables)
        guard status == 0 else { throw StartError(program: command[0], status: status) }
        identifier = number
    }

    deinit { _ = kill() }

    /// `nil` while it runs.
    func ending() -> Ending? { wait(options: WNOHANG) }

    /// Sends a signal, unless it has ended: its number is its own until then.
    func send(_ signal: Int32) {
        if ending() == nil { _ = Glibc.kill(identifier, signal) }
    }

    func sendToGroup(_ signal: Int32) {
        if ending() == nil { _ = Glibc.kill(-identifier, signal) }
    }

    /// Ends it, if it has not ended, and reaps it.
    func kill() -> Ending {
        send(SIGKILL)
        while true {
            if let ending = wait(options: 0) { return ending }
        }
    }

    private func wait(options: Int32) -> Ending? {
        if let knownEnding { return knownEnding }
        var status: Int32 = 0
        guard unsafe waitpid(identifier, &status, options) == identifier else { return nil }
        knownEnding = Ending(waitStatus: status)
        return knownEnding
    }

    struct StartError: Error, CustomStringConvertible {
        let program: String
        let status: Int32

        var description: String {
            "cannot start \(program): \(unsafe String(cString: strerror(status)))"
        }
    }
}
