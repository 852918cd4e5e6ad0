import Glibc
import Testing

extension LaunchTests {
    /// Machines that lack something: code 69, said before anything was computed.
    @Suite struct ScarcityTests {
        /// A mount namespace of one's own takes privileges that a test may lack.
        static let canMount = geteuid() == 0

        /// Runs the command where /dev/shm is a file system of its own.
        private func script(mounting options: String, then preparation: String = ":") -> String {
            "exec unshare --mount bash -c 'mount -t tmpfs -o \(options) none /dev/shm && "
                + "\(preparation) && exec \"$0\" \"$@\"' \"$0\" \"$@\""
        }

        @Test(.enabled(if: canMount, "mounting a tmpfs takes root"))
        func `A tiny or full /dev/shm is refused with the way out`() throws {
            let model = try TinyModelFile()
            for script in [
                script(mounting: "size=4k"),
                script(mounting: "size=64k", then: "head -c 65536 /dev/zero >/dev/shm/full"),
                // Room for some workers' rings, not for all.
                script(mounting: "size=64k"),
            ] {
                try expectRefusal(
                    model.arguments(["--topology", "16-dimm"]), code: 69,
                    saying: ["/dev/shm", "bytes free", "remount"], script: script,
                    environment: model.environment)
            }
        }

        @Test(.enabled(if: canMount, "mounting a tmpfs takes root"))
        func `A read-only or missing /dev/shm is refused`() throws {
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments([]), code: 69, saying: ["shared segment", "Read-only"],
                script: script(mounting: "ro"), environment: model.environment)
            try expectRefusal(
                model.arguments([]), code: 69, saying: ["shared segment"],
                script: "exec unshare --mount bash -c 'mount -t tmpfs none /dev && "
                    + "exec \"$0\" \"$@\"' \"$0\" \"$@\"",
                environment: model.environment)
        }

        @Test func `Too little memory is refused before anything is loaded`() throws {
            _ = try DefaultModel.path()
            try expectRefusal(
                ["run", "--tokens", "4"], code: 69,
                saying: ["too little memory", "needs", "available"],
                script: #"ulimit -v 260000; exec "$0" "$@""#)
            // The reference needs less: the weights stay in the mapped file.
            let reference = try LaunchTests.start(
                ["run", "--tokens", "2", "--reference"],
                script: #"ulimit -v 400000; exec "$0" "$@""#)
            #expect(reference.ending == .exited(0), "\(reference.errors)")
        }

        @Test func `A context too large for the memory is refused before it is made`() throws {
            let model = try TinyModelFile(contextLength: 16_000_000)
            try expectRefusal(
                model.arguments(["--tokens", "15000000"]), code: 69,
                saying: ["too little memory"],
                script: #"ulimit -v 4000000; exec "$0" "$@""#, environment: model.environment)
        }

        @Test func `Too few file descriptors are refused`() throws {
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments([]), code: 69, saying: ["Too many open files"],
                script: #"ulimit -n 6; exec "$0" "$@""#, environment: model.environment)
            // What one worker needs is given back before the next is started.
            let many = try model.run(
                ["--topology", "16-dimm"], script: #"ulimit -n 16; exec "$0" "$@""#)
            #expect(many.ending == .exited(0), "\(many.errors)")
        }
    }
}
