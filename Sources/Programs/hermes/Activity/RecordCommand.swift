import ActivityTrace
import ArgumentParser
import ModelFile
import Supervision
import SystemPackage
import Transformer

/// `hermes record`: an activity trace, of a model on a text or from another program's records.
struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Writes an activity trace: which neurons were active at which token.",
        discussion: """
            Without --import, runs a model on a text: the first --prefill tokens densely, as a
            prompt, each one after them by the rule of run --sparsity, or by ReLU in a model
            without gates. Recorded are the feed-forward neurons that were truly active.

            With --import, reads a NumPy archive (numpy.savez) with the arrays
              masks    uint8 [tokens, layers, bytes], numpy.packbits of the active neurons
              ids      integers [tokens], the token that each step consumed
              prefill  integer, how many of the tokens are the prompt
            and, for the trace's description, kind (text) and target (float64). The
            correlation tables of the predictors (each neuron's two parents in the layer
            below, by conditional probability and by Jaccard index) are sampled from the
            tokens after the prompt.

            Examples:
              hermes record --output smollm.trace
              hermes record --text @book.txt --sparsity 0.8 --tokens 2000 --output book.trace
              hermes record --import alice.npz --output alice.trace
              hermes record --import alice.npz --output alice.trace --neurons 1530
            """)

    @Option(name: .customLong("import"), help: "NumPy archive to import.")
    var archive: String?

    @Option(help: "GGUF model file to run (default: the default model).")
    var model: String?

    @Option(help: "Text to run it on: TEXT, @FILE, or - (default: the shipped text).")
    var text: String?

    @Option(help: "Share of a layer's gates that are inactive, 0 to below 1 (default 0.7).")
    var sparsity: Double?

    @Option(help: "At most so many tokens of the text (default: what the model's context holds).")
    var tokens: Int?

    @Option(help: "So many of them are the prompt, which is run densely.")
    var prefill = 128

    @Option(help: "Trace file to write.")
    var output: String

    @Option(help: "Neurons of a layer (default: all that the masks have room for).")
    var neurons: Int?

    @Option(help: "What an imported trace calls its model (default: unknown).")
    var modelName: String?

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard neurons ?? 1 >= 1 else { throw ValidationError("--neurons must be at least 1") }
        guard tokens ?? 2 >= 2 else { throw ValidationError("--tokens must be at least 2") }
        guard prefill >= 1 else { throw ValidationError("--prefill must be at least 1") }
        if let sparsity, !(0..<1).contains(sparsity) {
            throw ValidationError("--sparsity must be from 0 to below 1")
        }
        let isImport = archive != nil
        if isImport, model != nil || text != nil || sparsity != nil || tokens != nil {
            throw ValidationError("--import runs no model: --model, --text, --sparsity, --tokens")
        }
        if !isImport, neurons != nil || modelName != nil {
            throw ValidationError("--neurons and --model-name are for --import")
        }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        let path = try WholeFile.prepareRegular(output)
        let recorded = try archive.map { try importArchive($0, to: path) } ?? record(to: path)
        if !options.writesJSONToStandardOutput { try Terminal.emit(summary(recorded)) }
        try options.deliver(json(recorded))
    }

    private func record(to path: String) throws -> RecordedTrace {
        let loaded = try LoadedModel(path: model)
        let threadCount = CPUAvailability.current().usableCoreCount
        var rule: ActivityRule?
        if loaded.model.shape.architecture.isGated {
            rule = ActivityRule(
                calibration: try Calibration.load(for: loaded, threadCount: threadCount),
                sparsity: sparsity ?? PredictedMode.standardSparsity)
        } else if sparsity != nil {
            try Calibration.requireGates(loaded, for: "--sparsity")
        }
        let textName =
            text.map { $0.hasPrefix("@") ? String($0.dropFirst()) : "the given text" }
            ?? "the shipped text"
        return try Recording.record(
            Recording.Request(
                rule: rule,
                sparsity: rule == nil ? nil : sparsity ?? PredictedMode.standardSparsity,
                text: try text.map { try Prompt.read($0) } ?? Calibration.shippedText,
                textName: textName, tokenLimit: tokens ?? .max, prefillTokenCount: prefill),
            model: loaded, threadCount: threadCount, to: path)
    }

    private func importArchive(_ archive: String, to path: String) throws -> RecordedTrace {
        let activity = try TraceFile.reading {
            () throws(ActivityTraceError) in
            try ActivityTraceImport(modelName: modelName ?? "unknown", neuronCount: neurons)
                .read(FilePath(archive))
        }
        var recorder = try TraceRecorder(path: path, header: activity.header)
        for (token, tokenID) in activity.tokenIDs.enumerated() {
            try Interruption.check()
            let sets = try TraceFile.reading {
                () throws(ActivityTraceError) in try activity.sets(ofToken: token)
            }
            try recorder.append(tokenID: tokenID, sets: sets)
        }
        return try recorder.finish()
    }

    private func summary(_ recorded: RecordedTrace) -> String {
        let header = recorded.header
        let shape = header.shape
        let blocks = shape.blocks.map { "\(Text.grouped($0.neuronCount)) \($0.name)" }
        return """
            written:  \(output), \(Text.grouped(recorded.summary.byteCount)) bytes
            source:   \(header.source)
            model:    \(header.modelName), \(shape.layerCount) layers x \
            \(blocks.joined(separator: " + ")) neurons
            tokens:   \(header.prefillTokenCount) of the prompt, \
            \(recorded.summary.tokenCount - header.prefillTokenCount) after it
            active:   \(Text.fixed(100 * recorded.density, 2)) % of the neurons
            parents:  \(recorded.parentTableNames.joined(separator: ", "))

            """
    }

    private func json(_ recorded: RecordedTrace) -> JSONValue {
        .object([
            "file": .string(output), "bytes": .integer(recorded.summary.byteCount),
            "trace": recorded.header.json(tokenCount: recorded.summary.tokenCount),
            "density": JSONValue(recorded.density),
            "parents": .array(recorded.parentTableNames.map { .string($0) }),
            "provenance": Provenance.program,
        ])
    }
}
