import ActivityTrace
import ArgumentParser
import Supervision
import SystemPackage

/// `hermes record`: an activity trace, from activity that another program recorded.
struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Writes an activity trace: which neurons were active at which token.",
        discussion: """
            Imports a NumPy archive (numpy.savez) with the arrays
              masks    uint8 [tokens, layers, bytes], numpy.packbits of the active neurons
              ids      integers [tokens], the token that each step consumed
              prefill  integer, how many of the tokens are the prompt
            and, for the trace's description, kind (text) and target (float64). The
            correlation tables of the predictors (each neuron's two parents in the layer
            below, by conditional probability and by Jaccard index) are sampled from the
            tokens after the prompt.

            Examples:
              hermes record --import alice.npz --output alice.trace
              hermes record --import alice.npz --output alice.trace --neurons 1530
            """)

    @Option(name: .customLong("import"), help: "NumPy archive to import.")
    var archive: String

    @Option(help: "Trace file to write.")
    var output: String

    @Option(help: "Neurons of a layer (default: all that the masks have room for).")
    var neurons: Int?

    @Option(help: "What the trace calls its model.")
    var modelName = "unknown"

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard neurons ?? 1 >= 1 else { throw ValidationError("--neurons must be at least 1") }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        let path = try WholeFile.prepareRegular(output)
        let recorded = try importArchive(to: path)
        if !options.writesJSONToStandardOutput { try Terminal.emit(text(recorded)) }
        try options.deliver(json(recorded))
    }

    private func importArchive(to path: String) throws -> RecordedTrace {
        let activity = try TraceFile.reading {
            () throws(ActivityTraceError) in
            try ActivityTraceImport(modelName: modelName, neuronCount: neurons)
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

    private func text(_ recorded: RecordedTrace) -> String {
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
