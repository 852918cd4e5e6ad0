import Glibc
import Supervision
import SystemPackage
import Testing

/// A coordinator dies; its worker, which holds the pipe's other end, must follow.
@Suite struct ParentBondTests {
    @Test(arguments: [SIGKILL, SIGTERM])
    func `A worker ends with its coordinator`(signal: Int32) throws {
        let (coordinator, reports) = try startReporting(
            try probePath(), ["coordinator", "worker"])
        let line = try #require(try reports.readLine())
        let worker = try #require(Int32(line.dropLast()))
        #expect(kill(worker, 0) == 0)
        #expect(kill(coordinator.processIdentifier, signal) == 0)
        #expect(coordinator.wait(upTo: .seconds(20)) == .killed(signal: signal))
        #expect(try reports.readAll(within: .seconds(20)) == "", "the worker lives on")
        try reports.readEnd.close()
    }

    @Test func `A worker whose coordinator died before it could ask ends at once`() throws {
        let (coordinator, reports) = try startReporting(
            try probePath(), ["coordinator", "late-worker"])
        let line = try #require(try reports.readLine())
        #expect(Int32(line.dropLast()) != nil)
        #expect(coordinator.terminate(grace: .seconds(20)) == .killed(signal: SIGTERM))
        #expect(try reports.readAll(within: .seconds(20)) == "", "the worker lives on")
        try reports.readEnd.close()
    }

    @Test func `A stranger as parent is refused with code 75`() throws {
        let (worker, reports) = try startReporting(try probePath(), ["worker", "1"])
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 75))
        #expect(try reports.readAll() == "")
        try reports.readEnd.close()
    }

    @Test func `The terminal's signals do not touch a worker, SIGTERM does`() throws {
        let (worker, reports) = try startReporting(try probePath(), ["worker", "\(getpid())"])
        #expect(try reports.readLine() == "\(worker.processIdentifier)\n")
        #expect(kill(worker.processIdentifier, SIGINT) == 0)
        #expect(kill(worker.processIdentifier, SIGHUP) == 0)
        #expect(worker.wait(upTo: .milliseconds(50)) == nil)
        #expect(worker.terminate(grace: .seconds(20)) == .killed(signal: SIGTERM))
        try reports.readEnd.close()
    }

    @Test func `A signal from before the bond is dropped`() throws {
        let (worker, reports) = try startReporting(
            try probePath(), ["worker", "\(getpid())", "interrupted"])
        #expect(try reports.readLine() == "\(worker.processIdentifier)\n")
        #expect(worker.terminate(grace: .seconds(20)) == .killed(signal: SIGTERM))
        try reports.readEnd.close()
    }
}
