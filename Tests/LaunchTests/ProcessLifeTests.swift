import Foundation
import Glibc
import SeededRandom
import TestLevels
import TestModels
import Testing

extension LaunchTests {
    /// Workers live as long as their coordinator and not a moment longer.
    @Suite struct ProcessLifeTests {
        /// How soon the program must react; the machine may be busy.
        private static let promptly = Duration.seconds(5)
        private static let endlessRun = [
            "run", "--raw", "--ignore-eos", "--prompt", "Once upon a time", "--tokens", "8000",
        ]

        /// A run of the default model that is generating.
        private func launchGenerating(_ options: [String] = []) throws -> Launch {
            _ = try DefaultModel.path()
            let launch = try Launch(Self.endlessRun + options)
            launch.wait(for: "text") { !launch.outputSoFar.isEmpty }
            return launch
        }

        /// A run of the default model in its prefill, which takes long enough to be met there.
        private func launchPrefilling() throws -> Launch {
            _ = try DefaultModel.path()
            let prompt = String(repeating: "word ", count: 6_000)
            let launch = try Launch(["run", "--raw", "--restarts", "0", "--prompt", prompt])
            launch.wait(for: "four workers") { launch.workers.count == 4 }
            usleep(300_000)
            return launch
        }

        @Test(arguments: [("1-dimm", 1), ("4-dimm", 4), ("16-dimm", 16)])
        func `Every DIMM is a process of its own while it runs, and none stays`(
            topology: String, count: Int
        ) throws {
            let launch = try launchGenerating(["--topology", topology])
            let workers = launch.workers
            #expect(workers.count == count)
            let dimms = workers.compactMap { worker in
                worker.arguments.firstIndex(of: "--dimm").map { worker.arguments[$0 + 1] }
            }
            #expect(Set(dimms) == Set((0..<count).map { "\($0)" }))
            #expect(Set(workers.map(\.arguments[0])).count == 1)
            #expect(ProcessTable.namedSegments().isEmpty, "segments lose their names at once")
            launch.send(SIGTERM)
            #expect(launch.finish(within: Self.promptly).ending == .exited(143))
        }

        @Test func `The result names the processes that computed it`() throws {
            _ = try DefaultModel.path()
            let launch = try Launch(
                ["run", "--raw", "--ignore-eos", "--prompt", "A", "--tokens", "24"]
                    + ["--json", "-"])
            launch.wait(for: "four workers") { launch.workers.count == 4 }
            let seen = launch.workers.map(\.identifier)
            let document = try launch.finish().document()
            #expect(document.dimms.map(\.host.pid).sorted() == seen)
        }

        // MARK: Stop signals

        @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)], [false, true])
        func `A signal to it or to its group ends a run cleanly`(
            signal: (number: Int32, code: Int32), isForGroup: Bool
        ) throws {
            let launch = try launchGenerating()
            if isForGroup { launch.sendToGroup(signal.number) } else { launch.send(signal.number) }
            let outcome = launch.finish(within: Self.promptly)
            #expect(outcome.ending == .exited(signal.code), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }

        @Test func `A signal ends the reference run, too`() throws {
            let launch = try launchGenerating(["--reference"])
            launch.send(SIGINT)
            #expect(launch.finish(within: Self.promptly).ending == .exited(130))
        }

        @Test(arguments: ["native", "virtual", "paced"])
        func `A signal ends a run under every clock, and so does a death`(clock: String) throws {
            let options = ["--clock", clock] + (clock == "paced" ? ["--dilation", "1000"] : [])
            let interrupted = try launchGenerating(options)
            interrupted.send(SIGINT)
            #expect(interrupted.finish(within: Self.promptly).ending == .exited(130))
            try expectLoss(
                of: 2, by: SIGKILL, in: launchGenerating(options + ["--restarts", "0"]))
        }

        @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
        func `A stopped worker does not hold up the end`(signal: Int32, code: Int32) throws {
            let launch = try launchGenerating()
            let workers = launch.workers
            try #require(workers.count == 4)
            kill(workers[2].identifier, SIGSTOP)
            launch.wait(for: "a stopped worker") {
                ProcessTable.state(of: workers[2].identifier) == "T"
            }
            launch.send(signal)
            #expect(launch.finish(within: Self.promptly).ending == .exited(code))
        }

        @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
        func `A signal ends a long prefill`(signal: Int32, code: Int32) throws {
            let launch = try launchPrefilling()
            launch.send(signal)
            let outcome = launch.finish(within: Self.promptly)
            #expect(outcome.ending == .exited(code), "\(outcome.errors)")
            #expect(outcome.output.isEmpty)
        }

        @Test func `A signal ends the wait for a prompt on standard input`() throws {
            let model = try TinyModelFile()
            let launch = try Launch(
                model.arguments(["--prompt", "-"]), environment: model.environment,
                input: .silence)
            usleep(200_000)
            launch.send(SIGINT)
            #expect(launch.finish(within: Self.promptly).ending == .exited(130))
        }

        @Test(arguments: [
            ["run", "--tokens", "2", "--sparsity", "0.7"], ["calibrate"],
        ])
        func `A signal ends a calibration, which leaves no file`(arguments: [String]) throws {
            let folder = try ScratchFolder()
            let cache = try folder.makeCacheWithDefaultModel()
            let launch = try Launch(arguments, environment: ["XDG_CACHE_HOME": cache])
            launch.wait(for: "the hash, which comes before the work") {
                !folder.files(under: "cache/hermes-emulator/hashes").isEmpty
                    || arguments[0] == "calibrate"
            }
            usleep(800_000)
            launch.send(SIGINT)
            let outcome = launch.finish(within: Self.promptly)
            #expect(outcome.ending == .exited(130), "\(outcome.errors)")
            #expect(folder.files(under: "cache/hermes-emulator/calibrations").isEmpty)
        }

        // MARK: Death

        @Test(arguments: [(0, SIGKILL), (3, SIGKILL), (1, SIGTERM)] as [(Int, Int32)])
        func `A worker's death ends the run with its DIMM, process and signal`(
            dimm: Int, signal: Int32
        ) throws {
            let launch = try launchGenerating(["--restarts", "0"])
            try expectLoss(of: dimm, by: signal, in: launch)
        }

        @Test func `A worker's death is noticed in the prefill`() throws {
            let launch = try launchPrefilling()
            try expectLoss(of: 1, by: SIGKILL, in: launch)
        }

        private func expectLoss(of dimm: Int, by signal: Int32, in launch: Launch) throws {
            let workers = launch.workers
            try #require(workers.count == 4)
            let victim = workers[dimm].identifier
            kill(victim, signal)
            let outcome = launch.finish(within: Self.promptly)
            #expect(outcome.ending == .exited(75), "\(outcome.errors)")
            let name = signal == SIGKILL ? "SIGKILL" : "SIGTERM"
            for word in ["DIMM \(dimm)", "\(victim)", name] {
                #expect(outcome.errors.contains(word), "\(word): \(outcome.errors)")
            }
        }

        /// `finish` records what is left after two seconds.
        @Test func `A killed coordinator leaves nothing, at whatever moment`() throws {
            _ = try DefaultModel.path()
            var random = SplitMix64(seed: 2_502_16963)
            let count = TestLevel.current == .plain ? 10 : 100
            for moment in 0..<count {
                let topology = ["16-dimm", "4-dimm"][moment % 2]
                let launch = try Launch(Self.endlessRun + ["--topology", topology])
                // Most of what can go wrong happens while workers start: half of the moments are
                // there. The first is at once.
                let span = moment % 4 < 2 ? 0.12 : 1.0
                let delay = moment == 0 ? 0 : span * random.nextUnitInterval()
                usleep(UInt32(delay * 1e6))
                launch.send(SIGKILL)
                let outcome = launch.finish(within: Self.promptly)
                #expect(outcome.ending == .killed(signal: SIGKILL), "after \(delay) s")
            }
        }
    }
}
