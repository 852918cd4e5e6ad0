import CLinuxShims
import Glibc
import Messages
import RingTransport
import SystemPackage

/// What stops a measurement; a benchmark never reports a figure after one.
enum BenchmarkError: Error, CustomStringConvertible {
    case system(String, Errno)
    case wrongResult(String)
    case noResult(String)
    case link(LinkError)
    case ring(RingError)

    var description: String {
        switch self {
        case .system(let call, let cause): "\(call): \(cause)"
        case .wrongResult(let what): "wrong result, so no figure: \(what)"
        case .noResult(let why): "no result: \(why)"
        case .link(let error): error.description
        case .ring(let error): error.description
        }
    }

    static func current(_ call: String) -> BenchmarkError {
        .system(call, Errno(rawValue: errno))
    }
}

/// A second process of this program, with inherited descriptors; killed and reaped with its owner.
struct PeerProcess: ~Copyable {
    let identifier: pid_t

    /// Descriptors are inherited under these numbers, far above any that the parent has open.
    static let firstDescriptor: Int32 = 200

    /// Starts `benchmarks ARGUMENTS`; `descriptors[i]` arrives as number 200 + i.
    static func start(
        _ arguments: [String], inheriting descriptors: [FileDescriptor]
    ) throws(BenchmarkError) -> PeerProcess {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (index, descriptor) in descriptors.enumerated() {
            unsafe posix_spawn_file_actions_adddup2(
                &actions, descriptor.rawValue, firstDescriptor + Int32(index))
        }
        var words = unsafe (["benchmarks"] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var environment = unsafe Array(words.suffix(1))  // only the end mark: a peer needs none
        var identifier: pid_t = 0
        let status = unsafe posix_spawn(
            &identifier, "/proc/self/exe", &actions, nil, &words, &environment)
        guard status == 0 else { throw .system("posix_spawn", Errno(rawValue: status)) }
        return PeerProcess(identifier: identifier)
    }

    private init(identifier: pid_t) { self.identifier = identifier }

    deinit {
        kill(identifier, SIGKILL)
        var status: Int32 = 0
        while unsafe waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
    }

    /// A watch for links to the process: throws once it has ended, leaving it to be reaped.
    var watch: RingLink.Watch {
        let identifier = identifier
        return { () throws(LinkError) in
            var information = unsafe siginfo_t()
            let options = WEXITED | WNOHANG | WNOWAIT
            let status = unsafe waitid(P_PID, id_t(identifier), &information, options)
            if status == 0, unsafe information.si_signo == SIGCHLD {
                throw .peerGone("benchmark process \(identifier) ended")
            }
        }
    }
}

/// Ties the calling thread to one processor.
func bindToProcessor(_ processor: Int) throws(BenchmarkError) {
    guard shim_bind_to_cpu(Int32(processor)) == 0 else {
        throw .current("sched_setaffinity to processor \(processor)")
    }
}

/// Nanoseconds since some fixed moment.
@inline(__always)
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
