/// Why a command ends, with the exit code that scripts rely on.
///
/// Codes follow sysexits.h where it has one.
struct Failure: Error, CustomStringConvertible {
    enum Code: Int32 {
        /// The command line is wrong.
        case usage = 64
        /// A file, prompt or topology is wrong; the message names file, place and rule.
        case badInput = 65
        /// This machine lacks something that the run needs.
        case machineLacks = 69
        /// Our own fault.
        case internalFault = 70
        /// A requested NUMA binding was not obtained.
        case bindingRefused = 73
        /// A worker died or stalled beyond recovery.
        case workerLost = 75
        /// A paced run missed more deadlines than its limit allows: its times are not faithful.
        case notFaithful = 76
        case interrupted = 130
        case terminated = 143
    }

    let code: Code
    let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
