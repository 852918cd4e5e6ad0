import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// `stress`: a matrix on real processes, its figures, and its end.
    @Suite struct StressCommandTests {
        private let folder: ScratchFolder

        init() throws { folder = try ScratchFolder() }

        /// Two layers of the smallest OPT on four DIMMs.
        private static let small = [
            "--topology", "4-dimm", "--layers", "2", "--prompt-tokens", "8", "--no-plots",
        ]

        private func stress(
            _ arguments: [String], into name: String = "result"
        ) throws -> (outcome: Outcome, document: StressDocument) {
            let outcome = try LaunchTests.start(
                ["stress", "--output", folder.entry(name), "--json", "-"] + Self.small + arguments)
            try #require(outcome.ending == .exited(0), "\(arguments): \(outcome.errors)")
            return (outcome, try StressDocument(outcome.output))
        }

        // MARK: What it finds

        @Test func `A hot DIMM is found, and window scheduling spreads its load`() throws {
            let (_, document) = try stress([
                "--policy", "none,window", "--workload", "hot-dimm@dimm=1,share=0.7",
                "--tokens", "33",
            ])
            try #require(document.cells.count == 2)
            let (still, moving) = (document.cells[0], document.cells[1])
            #expect(still.policy == "none" && still.dimms == 4 && still.window == nil)
            #expect(moving.policy == "window" && moving.window == 5)
            let imbalances = [still, moving].compactMap(\.imbalanceMean)
            try #require(imbalances.count == 2)
            // 0.7 of the load on one of four is 2.8 times the mean.
            #expect((2.3...3.1).contains(imbalances[0]), "\(imbalances)")
            #expect(imbalances[1] < 0.8 * imbalances[0], "\(imbalances)")
            #expect(still.stragglers?.map(\.lastCount) == [0, 32 * 4, 0, 0])
            #expect(still.remaps == 0 && still.remapBytes == 0)
            #expect((moving.remaps ?? 0) > 0 && (moving.remapBytes ?? 0) > 0)
            #expect((moving.remapLinkSeconds ?? 0) > 0)
            for cell in [still, moving] {
                #expect(cell.imbalanceOfTokens?.count == 32 && cell.tokens == 32)
                let layer = try #require(cell.layerSeconds)
                let bound = try #require(cell.layerBoundSeconds)
                #expect(layer.count == 64 && bound.count == 64)
                #expect(bound.mean < layer.mean && bound.p50 <= bound.max)
                #expect(layer.p50 <= layer.p90 && layer.p99 <= layer.p999)
                // Two steps and attention on four DIMMs.
                #expect(cell.roundTripSeconds?.count == 64 * 12)
            }
        }

        /// A trace of the default model, under the shipped shape of that model.
        @Test(.enabled(if: TestLevel.current >= .ci, "takes 20 seconds: CI runs it"))
        func `A recorded trace is a workload`() throws {
            _ = try DefaultModel.path()
            let trace = folder.entry("default.trace")
            let recorded = try LaunchTests.start(
                ["record", "--tokens", "72", "--prefill", "16", "--output", trace])
            try #require(recorded.ending == .exited(0), "\(recorded.errors)")
            let (_, document) = try stress([
                "--model", "smollm2-135m", "--layers", "0", "--prompt-tokens", "16", "--tokens",
                "33", "--policy", "none,window", "--workload", "trace@file=\(trace)",
            ])
            #expect(Set(document.cells.map(\.workload)) == ["trace@file=\(trace)"])
            let imbalances = document.cells.compactMap(\.imbalanceMean)
            try #require(imbalances.count == 2)
            // QKV of all neurons is shared out evenly; what is uneven is the recorded MLP's, by
            // noise from token to token more than by skew that lasts.
            #expect(imbalances.allSatisfy { (1.05..<1.5).contains($0) }, "\(imbalances)")
            #expect((document.cells[1].remaps ?? 0) > 0)
        }

        @Test func `Who knows the next window balances a drifting load better`() throws {
            let (_, document) = try stress([
                "--policy", "window,oracle", "--workload", "drift@rate=0.01", "--tokens", "33",
            ])
            let imbalances = document.cells.compactMap(\.imbalanceMean)
            try #require(imbalances.count == 2)
            #expect(imbalances[1] < imbalances[0], "\(imbalances)")
        }

        @Test func `A slow DIMM takes its factor longer and is last`() throws {
            let common = ["--policy", "none", "--workload", "uniform", "--tokens", "9"]
            let even = try stress(common, into: "even").document.cells[0]
            let slow = try stress(common + ["--slow-dimm", "3=2.0"], into: "slow").document.cells[0]
            let shares = [even, slow].map { cell in
                (cell.stragglers?[3].busyShare ?? 0) * (cell.secondsEmulated ?? 0)
            }
            #expect((1.9...2.1).contains(shares[1] / shares[0]), "\(shares)")
            #expect(slow.stragglers?[3].lastShare ?? 0 > 0.95)
            #expect(even.stragglers?[3].lastShare ?? 1 < 0.8)
        }

        @Test(.enabled(if: TestLevel.current >= .ci, "takes 16 seconds: CI runs it"))
        func `The matrix runs all cells, and goes on where it was with equal bytes`() throws {
            let matrix = [
                "--topology", "2-dimm,4-dimm", "--policy", "none,window,oracle", "--window",
                "2,4", "--workload", "zipf,bursts@period=4", "--tokens", "5",
            ]
            let (_, document) = try stress(matrix, into: "one")
            #expect(document.cells.count == 2 * 2 * 5)
            #expect(document.host.cellsRun == 20 && document.host.cellsKept == 0)
            let csv = try String(contentsOfFile: folder.entry("one/stress.csv"), encoding: .utf8)
            #expect(csv.split(separator: "\n").count == 21)
            let again = try stress(matrix, into: "one").document
            #expect(again.host.cellsRun == 0 && again.host.cellsKept == 20)
            _ = try stress(matrix, into: "two")
            for name in ["one", "two"] {
                let bytes = try String(
                    contentsOfFile: folder.entry(name + "/stress.csv"), encoding: .utf8)
                #expect(bytes == csv)
            }
            let documents = try ["one", "two"].map { name in
                try StressDocument.withoutHost(
                    [UInt8](
                        FileManager.default.contents(atPath: folder.entry(name + "/stress.json"))
                            ?? Data()))
            }
            #expect(documents[0] == documents[1])
        }

        @Test func `Figures are drawn`() throws {
            let outcome = try LaunchTests.start(
                ["stress", "--output", folder.entry("r")] + Self.small.dropLast()
                    + ["--policy", "none,window", "--workload", "zipf", "--tokens", "4"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            #expect(outcome.text.hasPrefix("workload"))
            let files = folder.files(under: "r/figures")
            for name in ["stress-balance.svg", "stress-layer-time.png", "stress-tokens-1.svg"] {
                #expect(files.contains(name), "\(files)")
            }
        }

        // MARK: Concurrency and time

        @Test func `Sessions run at once, each with processes and a seed of its own`() throws {
            let arguments = ["--policy", "none", "--workload", "zipf", "--tokens", "5"]
            let alone = try stress(arguments, into: "alone").document.cells[0]
            let cell = try stress(arguments + ["--sessions", "3"], into: "three").document.cells[0]
            #expect(cell.tokens == 12 && cell.layerSeconds?.count == 24)
            #expect(Array(cell.imbalanceOfTokens?.prefix(4) ?? []) == alone.imbalanceOfTokens)
            #expect(Set(cell.imbalanceOfTokens ?? []).count == 12)
        }

        @Test func `Neighbours take CPU time while a native run goes on, and end with it`() throws {
            let launch = try Launch(
                [
                    "stress", "--output", folder.entry("r"), "--json", "-", "--clock", "native",
                    "--neighbours", "2", "--policy", "none", "--workload", "uniform", "--tokens",
                    "1000", "--duration", "1",
                ] + Self.small)
            launch.wait(for: "two neighbours") {
                ProcessTable.children(of: launch.identifier).count {
                    $0.arguments.contains("--neighbour-of")
                } == 2
            }
            let outcome = launch.finish()
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let cell = try StressDocument(outcome.output).cells[0]
            #expect(cell.layerSeconds == nil && cell.layerBoundSeconds == nil)
            #expect((cell.host?.layerSeconds?.mean ?? 0) > 0)
            #expect((cell.host?.roundTripSeconds?.p50 ?? 0) > 0)
            #expect((cell.imbalanceMean ?? 0) >= 1)
            #expect((cell.host?.secondsWall ?? 0) >= 1)
        }

        @Test func `Emulated time bounds a cell`() throws {
            let document = try stress([
                "--policy", "none", "--workload", "uniform", "--tokens", "200", "--duration",
                "0.003",
            ]).document
            let cell = document.cells[0]
            let seconds = try #require(cell.secondsEmulated)
            #expect(seconds >= 0.003 && seconds < 0.01, "\(seconds)")
            #expect((1..<199).contains(Int(cell.tokens ?? 0)))
        }

        @Test func `A killed worker is replaced, and balance stays as it was`() throws {
            let arguments = ["--policy", "window", "--workload", "zipf", "--tokens", "9"]
            let whole = try stress(arguments, into: "whole").document.cells[0]
            let mended = try stress(
                arguments + ["--fault", "kill@token=3,layer=1,step=mlp,dimm=2"], into: "mended"
            ).document.cells[0]
            #expect(mended.restarts == 1 && whole.restarts == 0)
            #expect(mended.neuronImbalanceMean == whole.neuronImbalanceMean)
        }

        @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
        func `A signal ends it, its sessions and its neighbours`(
            signal: Int32, code: Int32
        ) throws {
            let launch = try Launch(
                [
                    "stress", "--output", folder.entry("r"), "--clock", "native", "--neighbours",
                    "1", "--sessions", "2", "--workload", "uniform", "--policy", "none",
                    "--tokens", "1500",
                ] + Self.small)
            launch.wait(for: "workers of two sessions") {
                let children = ProcessTable.children(of: launch.identifier)
                let session = children.first { $0.arguments.contains("--part") }
                return launch.workers.count == 4
                    && session.map { ProcessTable.children(of: $0.identifier).count == 4 } == true
            }
            launch.send(signal)
            // Launch looks for what is left.
            #expect(launch.finish(within: .seconds(10)).ending == .exited(code))
        }

        // MARK: Refusals

        @Test(arguments: [
            (["--policy", "best"], "'best' is none"), (["--policy", "none,none"], "twice"),
            (["--workload", "zipfy"], "no workload 'zipfy'"),
            (["--workload", "zipf@exponent=-1"], "expected a number"),
            (["--window", "0"], "'0' is none"), (["--slow-dimm", "1=0.5"], "slow-dimm"),
            (["--slow-dimm", "1=2", "--slow-dimm", "1=3"], "twice"),
            (["--neighbours", "1"], "choose a --clock"), (["--tokens", "1"], "--tokens"),
            (["--clock", "native", "--slow-dimm", "1=2"], "--fault slow"),
            (["--duration", "0"], "--duration"), (["--sessions", "0"], "--sessions"),
            (["--topology", "4-dimm", "--slow-dimm", "4=2"], "DIMMs 0 to 3"),
            (["--topology", "4-dimm", "--workload", "hot-dimm@dimm=4"], "DIMMs 0 to 3"),
            (["--layers", "41"], "more than the 40"),
        ])
        func `A stress test that makes no sense is refused`(
            arguments: [String], word: String
        ) throws {
            try expectRefusal(
                ["stress", "--no-plots", "--output", folder.entry("r")] + arguments, code: 64,
                saying: [word])
        }

        @Test func `What is not there is bad input`() throws {
            try expectRefusal(
                ["stress", "--no-plots", "--output", folder.entry("r"), "--topology", "5-dimm"],
                code: 65, saying: ["no topology '5-dimm'"])
            try expectRefusal(
                [
                    "stress", "--no-plots", "--output", folder.entry("r"), "--workload",
                    "trace@file=/nowhere",
                ], code: 65, saying: ["/nowhere"])
        }
    }
}

/// What `stress --json` writes, as far as tests read it.
struct StressDocument: Decodable {
    struct Times: Decodable {
        let count: Int
        let mean: Double
        let p50: Double
        let p90: Double
        let p99: Double
        let p999: Double
        let max: Double

        enum CodingKeys: String, CodingKey {
            case count, mean, p50, p90, p99, max
            case p999 = "p99_9"
        }
    }

    struct Straggler: Decodable {
        let lastCount: Int
        let lastShare: Double
        let busyShare: Double?
    }

    struct CellHost: Decodable {
        let secondsWall: Double
        let layerSeconds: Times?
        let roundTripSeconds: Times?
    }

    struct Cell: Decodable {
        let policy: String
        let workload: String
        let dimms: Int
        let window: Int?
        let tokens: Double?
        let imbalanceMean: Double?
        let neuronImbalanceMean: Double?
        let imbalanceOfTokens: [Double]?
        let remaps: Double?
        let remapBytes: Double?
        let remapLinkSeconds: Double?
        let restarts: Double?
        let secondsEmulated: Double?
        let layerSeconds: Times?
        let layerBoundSeconds: Times?
        let roundTripSeconds: Times?
        let stragglers: [Straggler]?
        let host: CellHost?
    }

    struct Host: Decodable {
        let cellsRun: Int
        let cellsKept: Int
    }

    let cells: [Cell]
    let host: Host

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in
            let text = path[path.count - 1].stringValue
            guard !text.hasPrefix("p99") else { return Key(stringValue: text) }
            let words = text.split(separator: "_")
            return Key(
                stringValue: words[0]
                    + words.dropFirst().map { $0.capitalized }.joined())
        }
        self = try decoder.decode(StressDocument.self, from: Data(bytes))
    }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// The document without what depends on the machine and the moment.
    static func withoutHost(_ bytes: [UInt8]) throws -> String {
        func stripped(_ value: Any) -> Any {
            if let members = value as? [String: Any] {
                return members.filter { $0.key != "host" }.mapValues(stripped)
            }
            if let elements = value as? [Any] { return elements.map(stripped) }
            return value
        }
        let document = stripped(try JSONSerialization.jsonObject(with: Data(bytes)))
        return String(
            decoding: try JSONSerialization.data(
                withJSONObject: document, options: [.sortedKeys]), as: UTF8.self)
    }
}
