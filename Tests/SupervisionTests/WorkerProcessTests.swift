import Glibc
import Supervision
import SystemPackage
import Testing

@Suite struct WorkerProcessTests {
    @Test(arguments: [0, 1, 70, 255] as [Int32])
    func `An exit code comes back`(code: Int32) throws {
        let worker = try WorkerProcess.startUnbonded(
            executable: "/bin/sh", arguments: ["-c", "exit \(code)"])
        let exit = try #require(worker.wait(upTo: .seconds(20)))
        #expect(exit == .exited(code: code))
        #expect(exit.description == "exited with code \(code)")
    }

    @Test func `A worker killed from outside is noticed, and remembered`() throws {
        let worker = try WorkerProcess.startUnbonded(executable: "/bin/sleep", arguments: ["600"])
        #expect(worker.poll() == nil)
        #expect(worker.wait(upTo: .zero) == nil)
        #expect(kill(worker.processIdentifier, SIGKILL) == 0)
        let exit = try #require(worker.wait(upTo: .seconds(20)))
        #expect(exit == .killed(signal: SIGKILL))
        #expect(exit.description == "killed by SIGKILL")
        #expect(worker.poll() == exit)
        #expect(worker.terminate(grace: .zero) == exit)
    }

    @Test func `A signal without a name is told by number`() {
        #expect(WorkerExit.killed(signal: 40).description == "killed by signal 40")
    }

    @Test func `Within the grace period a worker may end in its own way`() throws {
        let (worker, reports) = try startReporting(try probePath(), ["obliging"])
        #expect(try reports.readLine() == "ready\n")
        #expect(worker.terminate(grace: .seconds(20)) == .exited(code: 3))
        try reports.readEnd.close()
    }

    @Test func `A worker that ignores SIGTERM is killed after the grace period`() throws {
        let (worker, reports) = try startReporting(try probePath(), ["stubborn"])
        #expect(try reports.readLine() == "ready\n")
        let start = ContinuousClock.now
        #expect(worker.terminate(grace: .milliseconds(50)) == .killed(signal: SIGKILL))
        #expect(ContinuousClock.now - start >= .milliseconds(50))
        try reports.readEnd.close()
    }

    @Test func `A stopped worker is killed too`() throws {
        let worker = try WorkerProcess.startUnbonded(executable: "/bin/sleep", arguments: ["600"])
        #expect(kill(worker.processIdentifier, SIGSTOP) == 0)
        // Both pending at once, SIGTERM would win.
        try awaitState("T", of: worker.processIdentifier)
        #expect(worker.terminate(grace: .milliseconds(20)) == .killed(signal: SIGKILL))
    }

    @Test func `All are ended, in order, whatever each does`() throws {
        let (stubborn, reports) = try startReporting(try probePath(), ["stubborn"])
        #expect(try reports.readLine() == "ready\n")
        let done = try WorkerProcess.startUnbonded(executable: "/bin/true", arguments: [])
        #expect(done.wait(upTo: .seconds(20)) == .exited(code: 0))
        let willing = try WorkerProcess.startUnbonded(executable: "/bin/sleep", arguments: ["600"])
        let exits = [stubborn, done, willing].terminateAll(grace: .milliseconds(200))
        #expect(exits == [.killed(signal: SIGKILL), .exited(code: 0), .killed(signal: SIGTERM)])
        #expect([WorkerProcess]().terminateAll(grace: .seconds(600)) == [])
        try reports.readEnd.close()
    }

    @Test func `Letting go of a worker ends and reaps it`() throws {
        let identifier: Int32
        do {
            let worker = try WorkerProcess.startUnbonded(
                executable: "/bin/sleep", arguments: ["600"])
            identifier = worker.processIdentifier
            #expect(kill(identifier, 0) == 0)
        }
        // A zombie would still accept signal 0.
        #expect(kill(identifier, 0) == -1)
        #expect(errno == ESRCH)
    }

    @Test func `Many threads may ask at once`() async throws {
        let worker = try WorkerProcess.startUnbonded(
            executable: "/bin/sh", arguments: ["-c", "kill -STOP $$; exit 9"])
        try awaitState("T", of: worker.processIdentifier)
        let exits = await withTaskGroup(of: WorkerExit?.self) { group in
            for _ in 0..<8 { group.addTask { worker.wait(upTo: .seconds(20)) } }
            #expect(kill(worker.processIdentifier, SIGCONT) == 0)
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(exits == Array(repeating: .exited(code: 9), count: 8))
    }

    @Test func `What cannot be started is told by name and cause`() {
        let missing = SupervisionError.start(
            executable: "/nonexistent/program", cause: .noSuchFileOrDirectory)
        #expect(throws: missing) {
            try WorkerProcess.startUnbonded(executable: "/nonexistent/program", arguments: [])
        }
        #expect(
            missing.description
                == "program '/nonexistent/program' cannot be started: No such file or directory")
        #expect(throws: SupervisionError.start(executable: "/", cause: .permissionDenied)) {
            try WorkerProcess.startUnbonded(executable: "/", arguments: [])
        }
    }

    @Test func `A descriptor that is not open cannot be inherited`() throws {
        let error = SupervisionError.inherit(
            descriptor: 9_999, childDescriptor: 4, cause: .badFileDescriptor)
        #expect(throws: error) {
            try WorkerProcess.startUnbonded(
                executable: "/bin/true", arguments: [],
                inheriting: [(.standardError, as: 3), (FileDescriptor(rawValue: 9_999), as: 4)])
        }
    }

    @Test func `Off the main thread a bonded worker is refused`() async {
        await #expect(processExitsWith: .failure) {
            // A test's body never runs on the main thread.
            _ = try WorkerProcess.start(executable: "/bin/true", arguments: [])
        }
    }

    @Test(arguments: [[2], [256], [3, 3], [-1]] as [[Int32]])
    func `Impossible descriptor numbers trap`(numbers: [Int32]) async {
        await #expect(processExitsWith: .failure) { [numbers] in
            _ = try WorkerProcess.startUnbonded(
                executable: "/bin/true", arguments: [],
                inheriting: numbers.map { (.standardError, as: $0) })
        }
    }

    @Test func `An argument with a NUL would be cut short, so it traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = try WorkerProcess.startUnbonded(executable: "/bin/true", arguments: ["a\0b"])
        }
    }

    @Test func `A launcher that ignored SIGCHLD costs no exit status`() async {
        await #expect(processExitsWith: .exitCode(42)) {
            _ = signal(SIGCHLD, SIG_IGN)
            let worker = try WorkerProcess.startUnbonded(
                executable: "/bin/sh", arguments: ["-c", "exit 42"])
            guard case .exited(let code) = worker.wait(upTo: .seconds(20)) else { exit(1) }
            exit(code)
        }
    }
}
