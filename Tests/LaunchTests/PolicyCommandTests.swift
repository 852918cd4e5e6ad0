import Foundation
import TestLevels
import Testing

extension LaunchTests {
    /// `record --import` and `policy`: figures of recorded activity.
    @Suite struct PolicyCommandTests {
        private static let data = Launch.packageRoot + "/Tests/LaunchTests/Data/sparsity/"

        /// Imports an archive and returns the trace's path.
        private func imported(
            _ archive: String, as name: String, in folder: ScratchFolder
        ) throws -> String {
            let trace = folder.entry(name)
            let outcome = try LaunchTests.start(
                ["record", "--import", archive, "--output", trace])
            try #require(outcome.ending == .exited(0), "\(archive): \(outcome.errors)")
            return trace
        }

        private func imported(
            _ archive: TinyArchive, as name: String, in folder: ScratchFolder
        ) throws -> String {
            try imported(
                folder.write("\(name).npz", archive.bytes), as: name, in: folder)
        }

        private func scored(_ arguments: [String]) throws -> PolicyDocument {
            let outcome = try LaunchTests.start(["policy"] + arguments + ["--json", "-"])
            try #require(outcome.ending == .exited(0), "\(arguments): \(outcome.errors)")
            return try PolicyDocument.read(outcome.output)
        }

        // MARK: Figures

        @Test(.enabled(if: TestLevel.current >= .ci, "takes 17 seconds: CI runs it"))
        func `Figures are those of an independent program`() throws {
            let folder = try ScratchFolder()
            let expected = try PolicyDocument.Expected.read(Self.data + "expected.json")
            #expect(expected.cases.count == 4)
            for setting in Set(expected.cases.map(\.setting)) {
                for text in ["alice_ch1", "gpl3_preamble"] {
                    let name = "\(text)_\(setting)"
                    _ = try imported(Self.data + name + ".npz", as: name, in: folder)
                }
            }
            for known in expected.cases {
                let found = try scored([
                    folder.entry("\(known.scoredOn)_\(known.setting)"), "--parents-from",
                    folder.entry("\(known.parentsFrom)_\(known.setting)"),
                ])
                expectAgreement(of: found, with: known)
                expectConsistency(of: found)
            }
        }

        /// The file has four decimals.
        private func expectAgreement(
            of found: PolicyDocument, with known: PolicyDocument.Expected.Case
        ) {
            for (name, figures) in known.predictors {
                guard let predictor = found.predictors.first(where: { $0.name == name }) else {
                    Issue.record("no predictor '\(name)'")
                    continue
                }
                let pairs = [
                    (predictor.accuracy, figures.accuracy),
                    (predictor.precision, figures.precision),
                    (predictor.recall, figures.recall), (predictor.f1, figures.f1),
                    (predictor.density, known.density),
                ]
                for (ours, theirs) in pairs where abs(ours - theirs) > 0.0001 {
                    Issue.record("\(known.setting), \(known.scoredOn), \(name): \(ours) \(theirs)")
                }
            }
        }

        /// What holds for any trace of 30 layers and 224 tokens after the prompt.
        private func expectConsistency(of found: PolicyDocument) {
            #expect(found.predictors.count == 10)
            for predictor in found.predictors {
                #expect(predictor.layers.count == 30, "\(predictor.name)")
                #expect(predictor.host.secondsPerToken > 0, "\(predictor.name)")
            }
            #expect(found.predictors.first { $0.name == "oracle" }?.f1 == 1)
            #expect(Set(found.rebalance.map(\.placement)).count == 5)
            #expect(Set(found.rebalance.map(\.name)).count == 6)
            #expect(found.rebalance.count == 30)
            for result in found.rebalance {
                let bound = found.rebalance.first {
                    $0.placement == result.placement && $0.name == "oracle per token"
                }
                let oracle = bound?.imbalanceMean ?? .infinity
                #expect(oracle <= result.imbalanceMean, "\(result.name), \(result.placement)")
                #expect(result.imbalanceMax <= 8 && result.imbalanceMean >= 1)
                #expect(result.dimms == 8)
                #expect((result.moves == 0) == (result.name == "none") || isStart(result))
            }
        }

        /// Where balancing by frequency once finds nothing to do: it began that way.
        private func isStart(_ result: PolicyDocument.Rebalance) -> Bool {
            result.name == "static by frequency" && result.placement == "frequency-balanced"
        }

        @Test func `A closed loop starves the paper's rule, and constants can feed it`() throws {
            let folder = try ScratchFolder()
            let name = "alice_ch1_wshift80"
            let trace = try imported(Self.data + name + ".npz", as: name, in: folder)
            func recall(of name: String, _ arguments: [String] = []) throws -> Double {
                let found = try scored([trace, "--feedback", "observed"] + arguments)
                return found.predictors.first { $0.name == name }?.recall ?? -1
            }
            let paper = try recall(of: "combined-conditional")
            let fed = try recall(
                of: "combined-jaccard",
                [
                    "--policy.predictor.threshold", "9", "--policy.predictor.unobserved", "held",
                ])
            #expect((0..<0.02).contains(paper) && fed > 0.5, "\(paper), \(fed)")
        }

        @Test func `Equal input gives equal traces and equal figures`() throws {
            let folder = try ScratchFolder()
            let traces = try ["a", "b"].map {
                try imported(TinyArchive(), as: $0, in: folder)
            }
            let contents = try traces.map { try Data(contentsOf: URL(filePath: $0)) }
            // The source names the archive, so only the names differ.
            #expect(contents[0].count == contents[1].count)
            let again = try imported(
                folder.entry("a.npz"), as: "a", in: folder)
            #expect(try Data(contentsOf: URL(filePath: again)) == contents[0])
            let figures = try (0..<2).map { _ in
                let text = try LaunchTests.start(["policy", traces[0], "--json", "-"]).text
                return text.split(separator: "\n").filter { !$0.contains("seconds_per_token") }
            }
            #expect(figures[0] == figures[1] && figures[0].count > 100)
        }

        @Test func `Tables for people fit a terminal`() throws {
            let folder = try ScratchFolder()
            let trace = try imported(TinyArchive(), as: "tiny", in: folder)
            let outcome = try LaunchTests.start(["policy", trace, "--dimms", "3"])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            for word in ["combined-conditional", "F1", "round-robin", "oracle per token"] {
                #expect(outcome.text.contains(word), "\(word)")
            }
            for line in outcome.text.split(separator: "\n") where !line.hasPrefix("Trace") {
                #expect(line.count <= 80, "\(line)")
            }
        }

        // MARK: Refusals

        @Test func `A trace that is none, or damaged, is refused by file, place and rule`() throws {
            let folder = try ScratchFolder()
            let whole = try Data(
                contentsOf: URL(filePath: imported(TinyArchive(), as: "whole", in: folder)))
            func damaged(at offset: Int) -> Data {
                var copy = whole
                copy[offset] ^= 0x10
                return copy
            }
            let cases: [(content: Data, words: [String])] = [
                (Data(), ["header", "truncated"]),
                (Data("not a trace, but long enough".utf8), ["is not an activity trace"]),
                (damaged(at: 8), ["header", "version"]), (damaged(at: 20), ["header", "damaged"]),
                (damaged(at: 300), ["frame 4 (byte 298)"]),
                (damaged(at: 320), ["frame 4 (byte 298)", "damaged"]),
                (damaged(at: whole.count - 40), ["directory", "damaged"]),
                (whole.dropLast(30), ["footer", "end mark"]),
            ]
            for (content, words) in cases {
                let path = try folder.write("bad.trace", Array(content))
                try expectRefusal(["policy", path], code: 65, saying: ["bad.trace"] + words)
            }
            try expectRefusal(
                ["policy", folder.entry("none")], code: 65, saying: ["none", "No such file"])
            try expectRefusal(["policy", "/dev/zero"], code: 65, saying: ["not a regular file"])
        }

        @Test func `A trace with nothing to score is refused`() throws {
            let folder = try ScratchFolder()
            let flat = try imported(TinyArchive(layers: 1), as: "flat", in: folder)
            try expectRefusal(["policy", flat], code: 65, saying: ["flat", "1 layer"])
            let prompt = try imported(TinyArchive(prefill: 40), as: "prompt", in: folder)
            try expectRefusal(["policy", prompt], code: 65, saying: ["prompt", "40 tokens"])
            let other = try imported(TinyArchive(neurons: 64), as: "other", in: folder)
            let usual = try imported(TinyArchive(), as: "usual", in: folder)
            try expectRefusal(
                ["policy", usual, "--parents-from", other], code: 65,
                saying: ["other", "64 mlp", "96 mlp"])
        }

        @Test func `An archive that is none, or has other arrays, leaves no trace`() throws {
            let folder = try ScratchFolder()
            let whole = TinyArchive().bytes
            var flipped = whole
            flipped[whole.count / 3] ^= 1
            let wide = TinyArchive(neurons: 65_544, tokens: 1, prefill: 0).bytes
            let cases: [(content: [UInt8], options: [String], word: String)] = [
                ([], [], "archive"), (Array("PK".utf8), [], "archive"),
                (Array(whole.dropLast(10)), [], "archive"), (flipped, [], "masks"),
                (whole, ["--neurons", "91"], "past the last"),
                (whole, ["--neurons", "97"], "masks"),
                (TinyArchive(prefill: 41).bytes, [], "prefill"),
                (wide, [], "65536"),
            ]
            for (content, options, word) in cases {
                let path = try folder.write("bad.npz", content)
                try expectRefusal(
                    ["record", "--import", path, "--output", folder.entry("made")] + options,
                    code: 65, saying: ["bad.npz", word])
            }
            #expect(folder.files(under: "") == ["bad.npz"])
        }

        @Test func `A device is not replaced by a trace`() throws {
            let folder = try ScratchFolder()
            let path = try folder.write("tiny.npz", TinyArchive().bytes)
            for output in ["/dev/null", folder.path, "/proc/none/made"] {
                try expectRefusal(
                    ["record", "--import", path, "--output", output], code: 69,
                    saying: ["cannot write '\(output)'"])
            }
        }

        @Test(arguments: [
            (["record", "--import", "x"], "--output"),
            (["record", "--import", "x", "--output", "y", "--neurons", "0"], "--neurons"),
            (["policy"], "trace"),
            (["policy", "x", "--dimms", "0"], "--dimms"),
            (["policy", "x", "--feedback", "some"], "observed"),
            (["policy", "x", "--hot-share", "1.5"], "--hot-share"),
            (["policy", "x", "--policy.predictor.lambda", "16"], "lambda is 16"),
            (["policy", "x", "--policy.predictor.gain", "-1"], "gain"),
            (["policy", "x", "--policy.rebalance.window", "0"], "window"),
            (["policy", "x", "--policy.rebalance.minimum-gain", "-1"], "minimum-gain"),
        ])
        func `A wrong command line is a usage error`(
            arguments: [String], word: String
        ) throws {
            try expectRefusal(arguments, code: 64, saying: [word])
        }
    }
}

/// What `policy --json` promises, and what it is compared with.
struct PolicyDocument: Decodable {
    struct Predictor: Decodable {
        struct Layer: Decodable {
            let layer: Int
            let f1: Double
        }

        struct Host: Decodable { let secondsPerToken: Double }

        let name: String
        let accuracy, precision, recall, f1, density: Double
        let bytes: Int
        let layers: [Layer]
        let host: Host
    }

    struct Rebalance: Decodable {
        let name, placement: String
        let dimms, moves: Int
        let imbalanceMean, imbalanceMax, imbalanceWeighted: Double
    }

    let predictors: [Predictor]
    let rebalance: [Rebalance]

    static func read(_ bytes: [UInt8]) throws -> PolicyDocument {
        try decoder.decode(PolicyDocument.self, from: Data(bytes))
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    /// The independent program's file.
    struct Expected: Decodable {
        struct Case: Decodable {
            struct Figures: Decodable { let accuracy, precision, recall, f1: Double }

            let setting, parentsFrom, scoredOn: String
            let density: Double
            let predictors: [String: Figures]
        }

        let cases: [Case]

        static func read(_ path: String) throws -> Expected {
            try decoder.decode(Expected.self, from: Data(contentsOf: URL(filePath: path)))
        }
    }
}
