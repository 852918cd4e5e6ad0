import Glibc
import Supervision
import SystemPackage
import Testing

@Suite struct StopSignalsTests {
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func `The first signal is noted, its second ends the process`(signal: Int32) throws {
        let (process, reports) = try startReporting(try probePath(), ["stop"])
        #expect(try reports.readLine() == "0\n")
        #expect(kill(process.processIdentifier, signal) == 0)
        #expect(try reports.readLine() == "\(signal)\n")
        #expect(process.poll() == nil)
        #expect(kill(process.processIdentifier, signal) == 0)
        #expect(process.wait(upTo: .seconds(20)) == .killed(signal: signal))
        try reports.readEnd.close()
    }

    @Test func `A second signal of another kind is borne`() throws {
        let (process, reports) = try startReporting(try probePath(), ["stop"])
        #expect(try reports.readLine() == "0\n")
        #expect(kill(process.processIdentifier, SIGINT) == 0)
        #expect(try reports.readLine() == "2\n")
        #expect(kill(process.processIdentifier, SIGTERM) == 0)
        #expect(process.wait(upTo: .milliseconds(50)) == nil)
        #expect(kill(process.processIdentifier, SIGTERM) == 0)
        #expect(process.wait(upTo: .seconds(20)) == .killed(signal: SIGTERM))
        try reports.readEnd.close()
    }

    @Test func `Under nohup a hangup stays ignored`() throws {
        let (process, reports) = try startShell("trap '' HUP; exec '\(try probePath())' stop")
        #expect(try reports.readLine() == "0\n")
        #expect(kill(process.processIdentifier, SIGHUP) == 0)
        #expect(kill(process.processIdentifier, SIGTERM) == 0)
        #expect(try reports.readLine() == "\(SIGTERM)\n")
        #expect(process.terminate(grace: .seconds(20)) == .killed(signal: SIGTERM))
        try reports.readEnd.close()
    }

    @Test func `A background job, whose shell ignored SIGINT, still heeds it`() throws {
        let (process, reports) = try startShell("trap '' INT; exec '\(try probePath())' stop")
        #expect(try reports.readLine() == "0\n")
        #expect(kill(process.processIdentifier, SIGINT) == 0)
        #expect(try reports.readLine() == "\(SIGINT)\n")
        process.terminate(grace: .zero)
        try reports.readEnd.close()
    }

    @Test func `A signal interrupts a sleeping call`() async {
        await #expect(processExitsWith: .success) {
            try StopSignals.install()
            let ends = try FileDescriptor.pipe()
            let own = pthread_self()
            let interrupter = try WorkerProcess.startUnbonded(
                executable: "/bin/sleep", arguments: ["0.1"])
            let noticed = Task.detached {
                _ = interrupter.wait(upTo: .seconds(20))
                // Until the sleeper has answered: a signal may come before it sleeps.
                _ = pthread_kill(own, SIGTERM)
            }
            var byte: UInt8 = 0
            let count = unsafe read(ends.readEnd.rawValue, &byte, 1)
            guard count == -1, errno == EINTR, StopSignals.pending == SIGTERM else { exit(1) }
            await noticed.value
            exit(0)
        }
    }

    @Test func `A write to a closed pipe fails instead of ending the process`() throws {
        #expect(try probeReport(["broken-pipe"]) == "EPIPE\n")
    }
}
