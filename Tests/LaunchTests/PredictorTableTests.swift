import TestLevels
import Testing

extension LaunchTests {
    /// `benchmarks predictors`: the table that says what each predictor reaches.
    @Suite struct PredictorTableTests {
        private static let commands = [
            [], ["ring"], ["fanout"], ["kernels"], ["caps"], ["decode"], ["predictors"],
        ]

        @Test(arguments: commands)
        func `Every benchmark explains itself on stdout`(command: [String]) throws {
            let outcome = try Self.start(command + ["--help"])
            #expect(outcome.ending == .exited(0))
            #expect(outcome.text.contains("USAGE"))
            #expect(outcome.errors.isEmpty)
        }

        @Test(.enabled(if: TestLevel.current >= .ci, "takes 13 seconds: CI runs it"))
        func `Synthetic activity fills a row for each family and predictor`() throws {
            let outcome = try Self.start([
                "predictors", "--activity", "synthetic", "--tokens", "16",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let rows = try Self.rows(outcome.text)
            for family in ["opt", "llama2", "falcon"] {
                let ofFamily = rows.filter { $0["Model"] == "synthetic \(family)" }
                #expect(ofFamily.count == 13)
                #expect(Set(ofFamily.map { $0["Predictor"] }).count == 13)
                let nobody = try Self.row("none-active", ofFamily)
                #expect(nobody["Precision"] == "–")
                #expect(nobody["Recall"] == "0.000")
                #expect(nobody["Computed"] == "12.5 %")
                let everybody = try Self.row("all-active", ofFamily)
                #expect(everybody["Recall"] == "1.000")
                #expect(everybody["Precision"] == everybody["Accuracy"])
                #expect(try Self.row("oracle", ofFamily)["F1"] == "1.000")
            }
            #expect(rows.allSatisfy { $0["KL"] == "–" && $0["Emulated ms/token"] == "–" })
        }

        /// Each paragraph is a run of its own; their positions count together.
        @Test(.enabled(if: TestLevel.current >= .ci, "takes 11 seconds: CI runs it"))
        func `Predicting everyone, or the truth, costs a real model nothing`() throws {
            let folder = try ScratchFolder()
            let text = try folder.write(
                "text", "The memory of a machine is not its own.\n\nA river runs to the sea.\n")
            let outcome = try Self.start([
                "predictors", "--activity", "relu", "--tokens", "2", "--text", text,
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let rows = try Self.rows(outcome.text)
            #expect(rows.count == 14)
            for name in ["exact", "all-active", "oracle"] {
                let row = try Self.row(name, rows)
                #expect(row["Agreement"] == "1.000")
                #expect(row["KL"] == "0.000")
                #expect(row["/ dense"] == "1.00")
            }
            #expect(try Self.row("exact", rows)["Accuracy"] == "–")
            #expect(try Self.row("none-active", rows)["Recall"] == "0.000")
            let times = rows.compactMap { Double($0["Emulated ms/token"] ?? "") }
            #expect(times.count == rows.count && times.allSatisfy { $0 > 0 })
        }

        @Test func `Rows that cannot be measured are said, and make the command fail`() throws {
            let outcome = try Self.start([
                "predictors", "--activity", "relu", "--relu-model", "absent.gguf",
            ])
            #expect(outcome.ending == .exited(1))
            #expect(try Self.rows(outcome.text).isEmpty)
            #expect(outcome.errors.contains("absent.gguf"))
            #expect(outcome.errors.contains("14 of the table's rows are missing"))
        }

        private static func start(_ arguments: [String]) throws -> Outcome {
            try Launch(arguments, program: "benchmarks").finish()
        }

        /// The table's rows by title; each has a cell for every title.
        private static func rows(_ text: String) throws -> [[String: String]] {
            let lines = text.split(separator: "\n").map { line in
                line.split(separator: "|").map(trim)
            }
            try #require(lines.count >= 2)
            let titles = lines[0]
            #expect(titles.count == 16)
            #expect(lines.allSatisfy { $0.count == titles.count && !$0.contains("") })
            return lines.dropFirst(2).map { Dictionary(uniqueKeysWithValues: zip(titles, $0)) }
        }

        private static func trim(_ cell: Substring) -> String {
            String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }

        private static func row(
            _ predictor: String, _ rows: [[String: String]]
        ) throws -> [String: String] {
            try #require(rows.first { $0["Predictor"] == predictor })
        }
    }
}
