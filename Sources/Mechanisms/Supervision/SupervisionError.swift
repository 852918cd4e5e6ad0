package import SystemPackage

/// What the operating system can refuse while processes are started and watched.
package enum SupervisionError: Error, Equatable, CustomStringConvertible {
    /// The program could not be started.
    case start(executable: String, cause: Errno)
    /// A descriptor could not be prepared for the child.
    case inherit(descriptor: Int32, childDescriptor: Int32, cause: Errno)
    /// A signal's action or mask could not be changed.
    case signalAction(name: String, cause: Errno)
    /// The kernel would not promise to end this process with its parent.
    case parentBond(cause: Errno)
    /// The thread that waits for workers' ends could not be had.
    case exitWatch(cause: Errno)
    /// A process that is no child of ours would not end.
    case kill(processIdentifier: Int32, cause: Errno)
    /// A file of the kernel could not be read.
    case read(path: String, cause: Errno)
    /// A file of the kernel does not say what it should.
    case malformed(path: String, rule: String)

    package var description: String {
        switch self {
        case .start(let executable, let cause):
            "program '\(executable)' cannot be started: \(cause)"
        case .inherit(let descriptor, let childDescriptor, let cause):
            "descriptor \(descriptor) cannot be handed on as \(childDescriptor): \(cause)"
        case .signalAction(let name, let cause):
            "signal \(name): its action cannot be changed: \(cause)"
        case .parentBond(let cause):
            "prctl(PR_SET_PDEATHSIG) refused, a worker could outlive its coordinator: \(cause)"
        case .exitWatch(let cause):
            "the watch over workers cannot be started: \(cause)"
        case .kill(let processIdentifier, let cause):
            "process \(processIdentifier) cannot be ended: \(cause)"
        case .read(let path, let cause):
            "'\(path)' cannot be read: \(cause)"
        case .malformed(let path, let rule):
            "'\(path)': \(rule)"
        }
    }
}
