/// How a child process ended.
package enum WorkerExit: Equatable, Sendable, CustomStringConvertible {
    /// It called `exit` with this code, 0 to 255.
    case exited(code: Int32)
    /// This signal ended it.
    case killed(signal: Int32)

    /// Reads the status of `waitpid(2)` for a child that has ended.
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited(code: (waitStatus >> 8) & 0xff) : .killed(signal: signal)
    }

    /// Such as "exited with code 70" or "killed by SIGKILL".
    package var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .killed(let signal): "killed by \(signalName(signal))"
        }
    }
}
