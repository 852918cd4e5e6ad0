package import Messages
package import Quantities

/// Gets workers back. The program supplies it, since roles know no processes.
package protocol WorkerRecovery: AnyObject {
    /// Ends what is left of a DIMM's worker and starts another, which waits for its configuration.
    ///
    /// Throws when that worker cannot be replaced, or shall not.
    ///
    /// - Parameter owed: the oldest request that it had not answered; `nil` where nothing is owed.
    func replaceWorker(
        ofDIMM dimm: Int, after failure: LinkError, owed: MessageHeader?
    ) throws(RecoveryRefusal) -> WorkerReplacement

    /// The other worker has loaded. Throws when it is not as it was asked for.
    func accept(_ facts: WorkerFacts, ofDIMM dimm: Int) throws(RecoveryRefusal)

    /// What the lost worker owed has been answered.
    func finish(dimm: Int)
}

/// A worker in place of another.
package struct WorkerReplacement {
    package let link: any MessageLink
    /// How workers of other DIMMs reach it from now on; they inherit no link to it.
    package let notices: [(dimm: Int, text: String)]

    package init(link: any MessageLink, notices: [(dimm: Int, text: String)] = []) {
        self.link = link
        self.notices = notices
    }
}

/// Why a worker was not replaced.
package struct RecoveryRefusal: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// One mended failure.
package struct RecoveryRecord: Equatable, Sendable {
    package enum Remedy: String, Sendable {
        /// Another worker took the place of the lost one.
        case restart
        /// A damaged message was sent again.
        case repetition
    }

    package let dimm: Int
    package let remedy: Remedy
    package let cause: LinkError
    /// What was owed when the failure was met, as far as anything was.
    package let request: MessageHeader?
    /// Bytes that the other worker loaded, and of keys and values that it was sent again.
    package internal(set) var weightByteCount = 0
    package internal(set) var keyValueByteCount = 0
    /// What it cost in emulated time; zero where none is kept.
    package internal(set) var delay = EmulatedDuration.zero
}
