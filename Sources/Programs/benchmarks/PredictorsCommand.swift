import ArgumentParser
import Foundation
import ModelCatalogue
import Quantities
import SyntheticActivity

/// `benchmarks predictors`: what each predictor reaches on each kind of activity.
///
/// Starts `hermes run --evaluate` for each setting and reads its JSON, so what is measured is what
/// a user gets; activity without a model is scored in this process.
struct PredictorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predictors",
        abstract: "Predictors by quality, time and imbalance, as a Markdown table.",
        discussion: """
            swiglu: the default model (or --model) at each sparsity. relu: a small OPT model
            with its natural zeros. synthetic: the paper's model families, with no quality
            because there are no weights. none-active and all-active are what every
            predictor has to be held against.

            The text is one that comes with this program (not the one that calibration and
            parents come from), or --text. A model whose context is too short for it sees
            each paragraph apart, and the figures are those of all positions together.

            Examples:
              benchmarks predictors --output predictors.md
              benchmarks predictors --activity relu,synthetic
            """)

    @Option(help: "Kinds of activity, comma-separated: swiglu, relu, synthetic.")
    var activity = "swiglu,relu,synthetic"

    @Option(help: "Sparsities of the SwiGLU model, comma-separated.")
    var sparsities = "0.5,0.7,0.9"

    @Option(help: "GGUF file of the SwiGLU model (default: the default model).")
    var model: String?

    @Option(help: "GGUF file of the ReLU model (default: the one that the tests run).")
    var reluModel: String?

    @Option(help: "Text to evaluate (default: the shipped one).")
    var text: String?

    @Option(help: "Tokens decoded of each text (default: all; 256 of synthetic activity).")
    var tokens: Int?

    @Option(help: "Topology: a file, or the name of a shipped one.")
    var topology = "4-dimm"

    @Option(help: "Write the table to this file instead of standard output.")
    var output: String?

    private static let kinds = ["swiglu", "relu", "synthetic"]
    private static let syntheticTokenCount = 256

    func validate() throws {
        guard tokens ?? 1 >= 1 else { throw ValidationError("--tokens must be at least 1") }
        for kind in list(activity) where !Self.kinds.contains(kind) {
            throw ValidationError("--activity knows \(Self.kinds.joined(separator: ", "))")
        }
        for sparsity in list(sparsities) {
            guard let share = Double(sparsity), share > 0, share <= 0.99 else {
                throw ValidationError("--sparsities must lie above 0 and at most at 0.99")
            }
        }
    }

    func run() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "hermes-predictors-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let text = try self.text.map { try String(contentsOfFile: $0, encoding: .utf8) }
        var survey = PredictorSurvey(
            text: text ?? String(decoding: PackageResources.evaluation_txt, as: UTF8.self),
            folder: folder, topology: topology, tokenLimit: tokens)
        let kinds = list(activity)
        if kinds.contains("swiglu") {
            let file = model.map { ["--model", $0] } ?? []
            let name = model.map(Self.fileName) ?? "SmolLM2-135M"
            try survey.addDense(name, file)
            for sparsity in list(sparsities) {
                try survey.addModel(name, file, sparsity: sparsity)
            }
        }
        if kinds.contains("relu") {
            let shipped = "Tests/LaunchTests/Data/relu-opt-3m.gguf"
            let file =
                try reluModel ?? HermesProcess.checkout().appendingPathComponent(shipped).path
            try survey.addModel(
                Self.fileName(file), ["--model", file], sparsity: nil, isByParagraph: true)
        }
        if kinds.contains("synthetic") {
            for family in ModelFamily.allCases {
                try survey.addSynthetic(family, tokenCount: tokens ?? Self.syntheticTokenCount)
            }
        }
        let table = survey.table.lines.joined(separator: "\n") + "\n"
        if let output {
            try table.write(toFile: output, atomically: true, encoding: .utf8)
        } else {
            print(table, terminator: "")
        }
        guard survey.failures.isEmpty else {
            throw BenchmarkError.noResult(
                "\(survey.failures.count) of the table's rows are missing")
        }
    }

    private func list(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    private static func fileName(_ path: String) -> String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }
}

/// The table as it grows, and what could not be measured.
struct PredictorSurvey {
    let text: String
    /// For the texts that runs read.
    let folder: URL
    let topology: String
    let tokenLimit: Int?
    private(set) var table = PredictorTable()
    private(set) var failures: [String] = []

    init(text: String, folder: URL, topology: String, tokenLimit: Int?) {
        self.text = text
        self.folder = folder
        self.topology = topology
        self.tokenLimit = tokenLimit
    }

    /// All contenders on a real model, behind the exact mode.
    ///
    /// - Parameters:
    ///   - sparsity: `nil` for a model's natural zeros.
    ///   - isByParagraph: each paragraph goes through the model apart.
    mutating func addModel(
        _ name: String, _ file: [String], sparsity: String?, isByParagraph: Bool = false
    ) throws {
        let texts = try write(isByParagraph ? paragraphs : [text])
        let sparse = sparsity.map { ["--sparsity", $0] } ?? []
        let common = file + ["--topology", topology]
        measure(name, sparsity ?? "natural", "exact", common + sparse, texts)
        for contender in PredictorContender.all {
            measure(
                name, sparsity ?? "natural", contender.title,
                common + sparse + contender.arguments, texts)
        }
    }

    /// A model with gates as it is, none of its neurons left out.
    mutating func addDense(_ name: String, _ file: [String]) throws {
        measure(name, "0", "exact", file + ["--topology", topology], try write([text]))
    }

    mutating func addSynthetic(_ family: ModelFamily, tokenCount: Int) throws {
        progress("synthetic \(family.rawValue)")
        let contenders = PredictorContender.all
        let path = "topology/models/families/\(family.rawValue).yaml"
        let statistics = try ActivityStatistics.parse(
            String(
                contentsOf: HermesProcess.checkout().appendingPathComponent(path), encoding: .utf8),
            of: family, fileName: path)
        let figures = try SyntheticPredictors(statistics)
            .figures(contenders, tokenCount: tokenCount)
        for (contender, figures) in zip(contenders, figures) {
            table.add(
                model: "synthetic \(family.rawValue)",
                sparsity: fixed(1 - statistics.density.doubleValue, 2),
                predictor: contender.title, figures)
        }
    }

    private mutating func measure(
        _ model: String, _ sparsity: String, _ predictor: String, _ arguments: [String],
        _ texts: [String]
    ) {
        progress("\(model), sparsity \(sparsity), \(predictor)")
        do {
            let limit = tokenLimit.map { ["--tokens", "\($0)"] } ?? []
            var pooled: PredictorFigures?
            for text in texts {
                let run = try HermesProcess.run(
                    ["run"] + arguments + limit + ["--evaluate", text, "--json", "-"])
                let figures = try PredictorFigures(run: run)
                if pooled == nil { pooled = figures } else { pooled?.pool(figures) }
            }
            guard let pooled else { throw BenchmarkError.noResult("the text is empty") }
            table.add(model: model, sparsity: sparsity, predictor: predictor, pooled)
        } catch {
            failures.append("\(error)")
            progress("failed: \(error)")
        }
    }

    private var paragraphs: [String] {
        text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    }

    /// - Returns: the files' paths.
    private func write(_ texts: [String]) throws -> [String] {
        try texts.enumerated().map { index, text in
            let path = folder.appendingPathComponent("\(index).txt").path
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
    }

    private func progress(_ line: String) {
        FileHandle.standardError.write(Data("benchmarks: \(line)\n".utf8))
    }
}
