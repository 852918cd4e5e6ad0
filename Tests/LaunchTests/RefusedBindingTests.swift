import Foundation
import Testing

extension LaunchTests {
    /// A kernel that refuses binding calls, as in many containers, on this machine.
    @Suite struct RefusedBindingTests {
        static let filter =
            Launch.packageRoot + "/Tests/LaunchTests/Data/lab/with-binding-calls.py"

        /// The filter knows x86-64's numbers of system calls.
        static var canFilter: Bool {
            #if arch(x86_64)
                (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
                    .contains { FileManager.default.isExecutableFile(atPath: "\($0)/python3") }
            #else
                false
            #endif
        }

        private static var nodeCount: Int {
            let folder = "/sys/devices/system/node"
            let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return max(1, entries.filter { $0.wholeMatch(of: /node[0-9]+/) != nil }.count)
        }

        /// With one node every placement is the right one, so the run goes on; it must say so.
        @Test(.enabled(if: canFilter, "the seccomp filter takes x86-64 and python3"))
        func `A refused binding is said, and fatal where nodes differ`() throws {
            let outcome = try TinyModelFile().run(
                ["--topology", "2-dimm"],
                script: "exec python3 '\(Self.filter)' refused \"$0\" \"$@\"")
            let code: Int32 = Self.nodeCount > 1 ? 69 : 0
            #expect(outcome.ending == .exited(code), "\(outcome.errors)")
            for word in ["set_mempolicy", "not permitted"] {
                #expect(outcome.errors.contains(word), "\(outcome.errors)")
            }
        }
    }
}
