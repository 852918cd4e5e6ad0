import Glibc
import Supervision
import SystemPackage
import Testing

/// What a child gets from its parent, and what it must not get.
@Suite struct InheritanceTests {
    @Test func `A child has the descriptors named, and no other`() throws {
        // Two that leak by default, below and above the child's numbers.
        let leak = dup(0)
        let highLeak = fcntl(0, F_DUPFD, 700)
        defer {
            close(leak)
            close(highLeak)
        }
        #expect(fcntl(highLeak, F_GETFD) == 0)
        let reports = try ReportPipe()
        let worker = try WorkerProcess.startUnbonded(
            executable: try probePath(), arguments: ["descriptors"],
            inheriting: [
                (reports.writeEnd, as: 3), (reports.writeEnd, as: 6), (.standardError, as: 255),
            ])
        try reports.writeEnd.close()
        #expect(try reports.readAll() == "0 1 2 3 6 255\n")
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }

    @Test func `Without any named, a child has its three streams`() throws {
        let worker = try WorkerProcess.startUnbonded(
            executable: "/bin/sh",
            arguments: [
                "-c",
                """
                for number in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
                  if [ -e /proc/self/fd/$number ]; then seen="$seen $number"; fi
                done
                [ "$seen" = " 0 1 2" ]
                """,
            ])
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
    }

    @Test func `Descriptors may trade numbers`() throws {
        let first = try ReportPipe()
        let second = try ReportPipe()
        let (one, two) = (first.writeEnd.rawValue, second.writeEnd.rawValue)
        let worker = try WorkerProcess.startUnbonded(
            executable: try probePath(),
            arguments: ["write", "\(two)", "first", "\(one)", "second"],
            inheriting: [(first.writeEnd, as: two), (second.writeEnd, as: one)])
        try first.writeEnd.close()
        try second.writeEnd.close()
        #expect(try first.readAll() == "first\n")
        #expect(try second.readAll() == "second\n")
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try first.readEnd.close()
        try second.readEnd.close()
    }

    /// Descending, and some of these are free in the parent: copies on such a number would be lost.
    @Test func `One descriptor may take many numbers, free or not in the parent`() throws {
        let numbers: [Int32] = (3...60).reversed()
        let unheard = try unsafe FileDescriptor.open(
            "/dev/null", .writeOnly, options: .closeOnExec)
        defer { close(unheard.rawValue) }
        let reports = try ReportPipe()
        let worker = try WorkerProcess.startUnbonded(
            executable: try probePath(),
            arguments: ["write"] + numbers.flatMap { ["\($0)", "number \($0)"] },
            inheriting: numbers.map { ($0 % 2 == 0 ? reports.writeEnd : unheard, as: $0) })
        try reports.writeEnd.close()
        let expected = numbers.filter { $0 % 2 == 0 }.map { "number \($0)\n" }.joined()
        #expect(try reports.readAll() == expected)
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }

    @Test func `Input is empty, and output goes to standard error`() throws {
        let (worker, reports) = try startShell(
            """
            readlink /proc/self/fd/0 >&3
            [ /proc/self/fd/1 -ef /proc/self/fd/2 ] && echo same >&3
            """)
        #expect(try reports.readAll() == "/dev/null\nsame\n")
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }

    @Test func `A closed standard error becomes the null device`() async {
        await #expect(processExitsWith: .exitCode(17)) {
            close(2)
            let worker = try WorkerProcess.startUnbonded(
                executable: "/bin/sh",
                arguments: [
                    "-c",
                    "[ /proc/self/fd/1 -ef /dev/null ] && echo fine >&2 && exit 17",
                ])
            guard case .exited(let code) = worker.wait(upTo: .seconds(20)) else { exit(1) }
            exit(code)
        }
    }

    @Test func `Signals start at their defaults, with those of a terminal blocked`() async {
        await #expect(processExitsWith: .success) {
            try StopSignals.ignoreBrokenPipes()
            let (worker, reports) = try startReporting(try probePath(), ["signals"])
            guard try reports.readAll() == "[\(SIGHUP), \(SIGINT)] []\n" else { exit(1) }
            exit(worker.wait(upTo: .seconds(20)) == .exited(code: 0) ? 0 : 2)
        }
    }

    @Test func `The environment is inherited`() throws {
        let path = try #require(unsafe getenv("PATH").map { unsafe String(cString: $0) })
        let (worker, reports) = try startShell(#"printf %s "$PATH" >&3"#)
        #expect(try reports.readAll() == path)
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }
}
