import ArgumentParser
import SparsityCalibration
import Supervision

/// `hermes calibrate`: sparsity statistics of a model on a text, cached by model hash.
struct CalibrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measures a model's gates on a text, for run --sparsity.",
        discussion: """
            Without --text, the shipped text is used and the result cached by model hash; run
            --sparsity does the same when the cache has nothing.

            Examples:
              hermes calibrate
              hermes calibrate --model model.gguf --json -
              hermes calibrate --text @corpus.txt --output corpus.calibration
            """)

    @Option(help: "GGUF model file (default: the default model).")
    var model: String?

    @Option(help: "Text to calibrate on: TEXT, @FILE, or - (default: the shipped text).")
    var text: String?

    @Option(help: "Where to write (default with the shipped text: the cache).")
    var output: String?

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard text == nil || output != nil else {
            throw ValidationError("--text needs --output: only the shipped text is cached")
        }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        if let output { try WholeFile.prepare(output) }
        let loaded = try LoadedModel(path: model)
        try Calibration.requireGates(loaded, for: "calibrate")
        let content = try text.map { try Prompt.read($0) } ?? Calibration.shippedText
        let path = try output ?? Calibration.path(for: loaded)
        let clock = ContinuousClock()
        let start = clock.now
        let file = try Calibration.make(
            for: loaded, text: content, path: path,
            threadCount: CPUAvailability.current().usableCoreCount)
        let span = start.duration(to: clock.now)
        if !options.writesJSONToStandardOutput { try Terminal.emit(table(file)) }
        try options.deliver(
            .object([
                "model": ["sha256": .string(try ModelHash.hexadecimal(of: loaded))],
                "file": .string(path), "tokens": .integer(file.tokenCount),
                "thresholds": thresholds(file),
                "host": ["seconds_wall": JSONValue(span.seconds)],
            ]))
        Terminal.complain("written: \(path) (\(file.tokenCount) tokens)")
    }

    private static let shownSparsities = [0.5, 0.7, 0.8, 0.9]

    private func table(_ file: CalibrationFile) -> String {
        var lines = ["layer  threshold at sparsity 0.5 / 0.7 / 0.8 / 0.9"]
        for layer in 0..<file.layout.layerCount {
            let values = Self.shownSparsities.map {
                Text.fixed(Double(file.threshold(layer: layer, sparsity: $0)), 5)
            }
            lines.append(Text.padded("\(layer)", 5) + "  " + values.joined(separator: "  "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func thresholds(_ file: CalibrationFile) -> JSONValue {
        .object(
            Dictionary(
                uniqueKeysWithValues: Self.shownSparsities.map { sparsity in
                    let values = (0..<file.layout.layerCount).map {
                        JSONValue(Double(file.threshold(layer: $0, sparsity: sparsity)))
                    }
                    return ("\(sparsity)", JSONValue.array(values))
                }))
    }
}
