import Foundation
import Glibc
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

        private static let slow = [
            "--system", "hermes", "--model", "opt-13b", "--topology", "2-dimm", "--prompt-tokens",
            "16", "--tokens", "8", "--no-plots", "--sweep", "batch=1,2,3,4,5,6",
        ]

        @Test func `An interrupted sweep goes on and ends in the same bytes`() throws {
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
        ])
        func `A value that nothing has is refused before any work`(
            axis: String, code: Int32, word: String
        ) throws {
            try expectRefusal(
                ["sweep", "--no-plots", "--output", folder.entry("r"), "--sweep", axis],
                code: code, saying: [word])
            #expect(folder.files(under: "r/emulations").isEmpty)
        }
    }
}

/// What `sweep --json` writes, as far as tests read it.
struct SweepDocument: Decodable {
    let host: ReproductionDocument.Host

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(SweepDocument.self, from: Data(bytes))
    }
}
