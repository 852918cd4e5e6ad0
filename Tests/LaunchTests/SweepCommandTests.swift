import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// `sweep`: grids, and going on after an interruption.
    @Suite struct SweepCommandTests {
        private let folder: ScratchFolder

        init() throws { folder = try ScratchFolder() }

        private func sweep(
            _ arguments: [String], into name: String = "result"
        ) throws -> (outcome: Outcome, csv: String) {
            let outcome = try LaunchTests.start(
                ["sweep", "--output", folder.entry(name)] + arguments)
            try #require(outcome.ending == .exited(0), "\(arguments): \(outcome.errors)")
            let path = folder.entry(name + "/sweep.csv")
            return (outcome, try String(contentsOfFile: path, encoding: .utf8))
        }

        @Test func `Axes form a grid, with figures and a front`() throws {
            let result = try sweep([
                "--system", "accelerate", "--model", "opt-66b", "--sweep",
                "gpu.memory=16GB,24GB,48GB", "--sweep", "batch=1,4", "--json", "-",
            ])
            let rows = result.csv.split(separator: "\n")
            #expect(rows.count == 7)
            #expect(rows[0].hasPrefix("gpu.memory,batch,tokens_per_second"))
            #expect(rows[1].hasPrefix("16GB,1,") && rows[6].hasPrefix("48GB,4,"))
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(result.outcome.output))
                    as? [String: Any])
            let points = try #require(document["points"] as? [[String: Any]])
            let speeds = points.compactMap { $0["tokens_per_second"] as? Double }
            // More of the weights stay on a larger GPU, and a batch shares what is streamed.
            try #require(speeds.count == 6, "\(result.csv)")
            #expect(speeds[0] < speeds[2] && speeds[2] < speeds[4])
            #expect(speeds[4] < speeds[5])
            #expect(points.contains { $0["pareto"] as? Bool == true })
            let files = folder.files(under: "result/figures")
            #expect(files.contains("sweep.svg") && files.contains("pareto.png"), "\(files)")
        }

        private func points(_ arguments: [String]) throws -> (SweepDocument, errors: String) {
            let model = try folder.write("small.yaml", SmallShape.text)
            let outcome = try sweep(
                ["--model", model, "--no-plots", "--json", "-"] + arguments
            ).outcome
            return (try SweepDocument(outcome.output), outcome.errors)
        }

        @Test func `Energy counts what is read, once for all sequences and heads that share it`()
            throws
        {
            // Nothing but DRAM spends: 10 pJ a bit.
            let energies = try folder.write(
                "dram.yaml",
                """
                format: 1
                gpu_watts: 0
                dram_fj_per_bit: 10000
                pcie_fj_per_bit: 0
                dimm_link_fj_per_bit: 0
                """)
            let options = [
                "--prompt-tokens", "16", "--tokens", "12", "--energy", energies, "--sweep",
                "batch=1,16",
            ]
            let base = try points(["--system", "hermes-base"] + SmallShape.onDIMMs + options).0
            for (batch, point) in zip([1, 16], base.points) {
                let bytes =
                    11 * SmallShape.neuronByteCount
                    + batch * (17...27).reduce(0, +) * SmallShape.rowByteCount
                let joules = 8e-11 * Double(bytes) / Double(12 * batch)
                let ours = try #require(point.joulesPerToken)
                #expect(abs(ours / joules - 1) < 1e-9, "batch \(batch): \(ours), not \(joules)")
            }
            let schedule = try points(["--system", "accelerate"] + options).0
            #expect(schedule.points.allSatisfy { $0.tokensPerSecond != nil })
            #expect(schedule.points.allSatisfy { $0.joulesPerToken == nil })
        }

        @Test func `Lengths beyond the context are swept, with one remark`() throws {
            let (document, errors) = try points([
                "--system", "hermes-base", "--tokens", "4", "--sweep",
                "prompt-tokens=128,8192,4096", "--sweep", "batch=1,2",
            ])
            let speeds = document.points.compactMap(\.tokensPerSecond)
            try #require(speeds.count == 6)
            #expect(speeds[0] > speeds[4] && speeds[4] > speeds[2])
            let remarks = errors.split(separator: "\n").filter { $0.contains("context of 2048") }
            #expect(remarks.count == 1 && remarks[0].contains("8192 + 4"), "\(errors)")
        }

        @Test func `How attention is divided and the window are swept as policies are`() throws {
            let split = try points([
                "--topology", "16-dimm", "--system", "hermes-partition", "--prompt-tokens",
                "1600", "--tokens", "4", "--sweep", "attention.split=heads,sequence",
            ]).0.points.compactMap { $0.breakdown?["attention"] }
            try #require(split.count == 2)
            #expect(split[1] < split[0])
            let windows = try points([
                "--prompt-tokens", "16", "--tokens", "12", "--set", "gpu.synchronisation=0 ns",
                "--sweep", "policy.window=2,12,13",
            ]).0.points.compactMap(\.decodeSeconds)
            // Within eleven tokens no window of 12 or 13 ends.
            try #require(windows.count == 3)
            #expect(windows[0] != windows[1] && windows[1] == windows[2])
        }

        private static let slow = [
            "--system", "hermes", "--model", "opt-13b", "--topology", "2-dimm", "--prompt-tokens",
            "16", "--tokens", "8", "--no-plots", "--sweep", "batch=1,2,3,4,5,6",
        ]

        @Test(.enabled(if: TestLevel.current >= .ci, "takes 15 seconds: CI runs it"))
        func `An interrupted sweep goes on and ends in the same bytes`() throws {
            let whole = try sweep(Self.slow, into: "whole").csv
            let launch = try Launch(
                ["sweep", "--output", folder.entry("parts")] + Self.slow)
            launch.wait(for: "the first answer") {
                !folder.files(under: "parts/emulations").isEmpty
            }
            launch.send(SIGTERM)
            #expect(launch.finish().ending == .exited(143))
            let keptCount = folder.files(under: "parts/emulations").count
            #expect((1...5).contains(keptCount))
            #expect(folder.files(under: "parts").allSatisfy { !$0.hasSuffix(".csv") })
            let rest = try sweep(Self.slow + ["--json", "-"], into: "parts")
            #expect(rest.csv == whole)
            let host = try SweepDocument(rest.outcome.output).host
            #expect(host.emulationsKept == keptCount)
            #expect(host.emulationsRun == 6 - keptCount)
        }

        @Test(arguments: [
            (["--sweep", "batch=1,1"], "with different values"),
            (["--sweep", "batch"], "expected"),
            (["--sweep", "speed=1,2"], "neither a path of the topology nor one of"),
            (["--sweep", "batch=1", "--sweep", "batch=2"], "two axes have one name"),
            (["--sweep", "system=vllm"], "no system 'vllm'"), ([], "--sweep"),
            (["--sweep", "batch=few,many"], "'few' of axis 'batch'"),
        ])
        func `A sweep that makes no sense is refused`(arguments: [String], word: String) throws {
            try expectRefusal(["sweep"] + arguments, code: 64, saying: [word])
        }

        @Test(arguments: [
            ("gpu.colour=1,2", Int32(65), "gpu.colour"),
            ("policy.rebalance=window,best", 64, "policy.rebalance has no 'best'"),
            ("policy.predictor.gain=4,16", 64, "policy.predictor.gain=16"),
            ("model=opt-13b,opt-14b", 65, "no model 'opt-14b'"),
            ("attention.split=heads,rows", 64, "attention.split has no 'rows'"),
            ("policy.window=5,0", 64, "policy.window=0: must be 1 to 65535"),
            ("model=llama2-7b,opt-13b", 65, "learned"),
        ])
        func `A value that nothing has is refused before any work`(
            axis: String, code: Int32, word: String
        ) throws {
            try expectRefusal(
                [
                    "sweep", "--no-plots", "--output", folder.entry("r"), "--prompt-tokens",
                    axis.hasPrefix("model=llama2") ? "8192" : "128", "--sweep", axis,
                ],
                code: code, saying: [word])
            #expect(folder.files(under: "r/emulations").isEmpty)
        }
    }
}

/// What `sweep --json` writes, as far as tests read it.
struct SweepDocument: Decodable {
    struct Point: Decodable {
        let tokensPerSecond: Double?
        let decodeSeconds: Double?
        let joulesPerToken: Double?
        let breakdown: [String: Double]?
    }

    let host: ReproductionDocument.Host
    let points: [Point]

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(SweepDocument.self, from: Data(bytes))
    }
}
