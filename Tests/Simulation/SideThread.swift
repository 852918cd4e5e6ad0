import Foundation

/// A thread of its own for one side of a conversation. Sides block, and a task that blocks would
/// hold one of the few threads that all tests share.
package final class SideThread<Output>: @unchecked Sendable {
    // Sendable is sound: `outcome` is written before the semaphore is signalled and read after it
    // was waited for, and `body` is used by the new thread alone.
    private let finished = DispatchSemaphore(value: 0)
    private var outcome: Result<Output, any Error>?
    private let body: () throws -> Output

    /// Starts the thread; what `body` captures belongs to it from here on.
    package init(_ body: sending @escaping () throws -> Output) {
        self.body = body
        let thread = Thread { [self] in
            outcome = Result { try self.body() }
            finished.signal()
        }
        thread.start()
    }

    /// Waits for the end of `body` and gives what it returned or threw; call it once.
    package func join() throws -> Output {
        finished.wait()
        guard let outcome else { preconditionFailure("a finished thread has an outcome") }
        return try outcome.get()
    }
}
