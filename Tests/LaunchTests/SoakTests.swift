import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// Half an hour of runs on 16 DIMMs that lose workers and messages all the time; in
    /// `launch/test --full` alone. Prints what happened.
    @Suite(.enabled(if: TestLevel.current == .full)) struct SoakTests {
        private static let duration = Duration.seconds(30 * 60)
        private static let faults = [
            "kill*3", "half-written*2", "corrupt-header*2", "skip-sequence*2", "corrupt-payload*8",
            "lose-doorbell*8", "delay:0.02*8", "stop:0.05*4", "stop", "slow:1.5",
        ]

        /// Of a coordinator while it runs.
        private struct Use {
            var descriptorCount = 0
            var residentByteCount = 0

            mutating func note(_ identifier: Int32) {
                let folder = "/proc/\(identifier)/fd"
                let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
                descriptorCount = max(descriptorCount, names?.count ?? 0)
                let path = "/proc/\(identifier)/statm"
                let fields = (try? String(contentsOfFile: path, encoding: .utf8))?.split(
                    separator: " ")
                let pages = fields.flatMap { $0.count > 1 ? Int($0[1]) : nil } ?? 0
                residentByteCount = max(residentByteCount, pages * Int(getpagesize()))
            }
        }

        private func run(_ options: [String]) throws -> (document: FaultyDocument, use: Use) {
            _ = try DefaultModel.path()
            let launch = try Launch(
                [
                    "run", "--raw", "--ignore-eos", "--prompt", "The history of the village",
                    "--tokens", "200", "--topology", "16-dimm", "--restarts", "100",
                    "--stall-after", "1", "--json", "-",
                ] + options)
            var use = Use()
            launch.wait(for: "the run's end", upTo: .seconds(600)) {
                use.note(launch.identifier)
                usleep(20_000)
                return launch.hasEnded
            }
            let outcome = launch.finish()
            #expect(outcome.ending == .exited(0), "\(options): \(outcome.errors)")
            return (try FaultyDocument(outcome.output), use)
        }

        @Test func `Runs on 16 DIMMs keep their tokens, descriptors and memory for half an hour`()
            throws
        {
            let end = ContinuousClock.now + Self.duration
            let (expected, quiet) = try run([])
            var remedies: [String: Int] = [:]
            var worst = Use()
            var seed = 0
            while ContinuousClock.now < end {
                let (found, use) = try run(
                    Self.faults.flatMap { ["--fault", $0] } + ["--seed", "\(seed)"])
                #expect(found.generatedTokens == expected.generatedTokens, "seed \(seed)")
                for recovery in found.recoveries { remedies[recovery.remedy, default: 0] += 1 }
                worst.descriptorCount = max(worst.descriptorCount, use.descriptorCount)
                worst.residentByteCount = max(worst.residentByteCount, use.residentByteCount)
                // Each lost worker's descriptors are closed before its place is taken.
                #expect(use.descriptorCount <= quiet.descriptorCount + 16, "seed \(seed)")
                #expect(
                    use.residentByteCount <= quiet.residentByteCount * 5 / 4, "seed \(seed)")
                seed += 1
            }
            print(
                "soak: \(seed) runs, \(remedies["restart"] ?? 0) workers replaced, "
                    + "\(remedies["repetition"] ?? 0) messages repeated; coordinator's descriptors "
                    + "\(worst.descriptorCount) (undisturbed \(quiet.descriptorCount)), memory "
                    + "\(worst.residentByteCount >> 20) MiB (\(quiet.residentByteCount >> 20) MiB)")
            #expect(seed > 1)
            #expect(remedies["restart", default: 0] >= seed)
            #expect(remedies["repetition", default: 0] >= seed)
        }
    }
}
