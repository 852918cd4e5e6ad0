// The program that Supervision's tests start: worker, coordinator and signal receiver in turn.
// It reports on descriptor 3, where the test reads.
import Glibc
import Supervision
import SystemPackage

let arguments = CommandLine.arguments
let reports = FileDescriptor(rawValue: 3)

func report(_ text: String, to descriptor: FileDescriptor = reports) throws {
    _ = try descriptor.writeAll((text + "\n").utf8)
}

func sleepForever() -> Never {
    while true { _ = pause() }
}

func number(_ index: Int) -> Int32 {
    guard index < arguments.count, let number = Int32(arguments[index]) else { exit(EX_USAGE) }
    return number
}

/// Waits until the first stop signal is noted.
func awaitStop() -> Int32 {
    while true {
        if let signal = StopSignals.pending { return signal }
        usleep(1_000)
    }
}

switch arguments.dropFirst().first {
case "worker":
    if arguments.count > 3, arguments[3] == "interrupted" {
        // As if the user had pressed Ctrl-C in the first microseconds.
        for signal in [SIGINT, SIGHUP] { raise(signal) }
    }
    try ParentBond.join(expectedParent: number(2))
    try report("\(getpid())")
    sleepForever()
case "stubborn":
    _ = signal(SIGTERM, SIG_IGN)
    try report("ready")
    sleepForever()
case "obliging":
    _ = signal(SIGTERM) { _ in _exit(3) }
    try report("ready")
    sleepForever()
case "late-worker":
    // Joins only when the parent is certainly dead.
    let parent = number(2)
    try report("\(getpid())")
    while getppid() == parent { usleep(1_000) }
    try ParentBond.join(expectedParent: parent)
    try report("survived")
    sleepForever()
case "coordinator":
    let worker = try WorkerProcess.start(
        executable: arguments[0], arguments: [arguments[2], "\(getpid())"],
        inheriting: [(reports, as: 3)])
    while worker.poll() == nil { usleep(1_000) }
    exit(EX_SOFTWARE)
case "descriptors":
    let open = (0..<1024 as Range<Int32>).filter { fcntl($0, F_GETFD) >= 0 }
    try report(open.map(String.init).joined(separator: " "))
case "signals":
    // Names of blocked and ignored ones; glibc's own (32, 33) are none of ours.
    let blocked = (1..<32 as Range<Int32>).filter { number in
        var set = sigset_t()
        unsafe pthread_sigmask(SIG_BLOCK, nil, &set)
        return unsafe sigismember(&set, number) == 1
    }
    let ignored = (1..<32 as Range<Int32>).filter { number in
        var action = sigaction()
        unsafe sigaction(number, nil, &action)
        let handler = unsafe action.__sigaction_handler.sa_handler
        return unsafe unsafeBitCast(handler, to: Int.self) != 0
    }
    try report("\(blocked) \(ignored)")
case "write":
    for index in stride(from: 2, to: arguments.count, by: 2) {
        try report(arguments[index + 1], to: FileDescriptor(rawValue: number(index)))
    }
case "stop":
    try StopSignals.install()
    try report("\(StopSignals.pending ?? 0)")
    // Each line: what is pending when a signal has been noted or a second passed on.
    try report("\(awaitStop())")
    sleepForever()
case "broken-pipe":
    try StopSignals.ignoreBrokenPipes()
    let ends = try FileDescriptor.pipe()
    try ends.readEnd.close()
    do {
        try report("into the void", to: ends.writeEnd)
    } catch Errno.brokenPipe {
        try report("EPIPE")
    }
case "cpus":
    let available = CPUAvailability.current()
    try report("\(available.allowedCPUCount) \(available.usableCoreCount)")
case "memory":
    try report("\(try MemoryAvailability.current().limit)")
default:
    exit(EX_USAGE)
}
