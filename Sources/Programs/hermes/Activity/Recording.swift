import ActivationPredictor
import ActivityTrace
import ModelFile
import PackedSets
import SystemPackage
import Tokenizer
import Transformer

/// Records which feed-forward neurons a real model finds active on a text, as a trace file.
enum Recording {
    /// What neurons count as active, and what of a text is recorded.
    struct Request {
        /// `nil` in a model without gates, whose ReLU decides.
        let rule: ActivityRule?
        /// Share of inactive gates that the rule stands for; for the trace's own description.
        let sparsity: Double?
        let text: String
        /// What the trace calls the text.
        let textName: String
        /// At most so many tokens; never more than the model's context.
        var tokenLimit = Int.max
        /// So many tokens go through the dense model first, as a prompt does.
        var prefillTokenCount = 128
    }

    /// Writes the trace to `path`: prefill densely, then each token by the rule, as a run with
    /// `--exact` decodes it. Parents by both measures come with it.
    static func record(
        _ request: Request, model loaded: LoadedModel, threadCount: Int, to path: String
    ) throws -> RecordedTrace {
        let limit = min(request.tokenLimit, loaded.model.shape.contextLength)
        let tokens = Array(
            loaded.tokenizer.encode(request.text, parsingSpecialTokens: false).prefix(limit))
        guard tokens.count >= 2 else {
            throw Failure(.badInput, "the text gives fewer than 2 tokens")
        }
        let prefillCount = min(request.prefillTokenCount, tokens.count)
        let recorder = ActivityRecorder(model: loaded.model, rule: request.rule)
        var transformer = ReferenceTransformer(
            model: loaded.model, contextCapacity: tokens.count, rule: request.rule,
            threadCount: threadCount)
        let batch = ReferenceTransformer.batchTokenCount
        for first in stride(from: 0, to: prefillCount, by: batch) {
            try Interruption.check()
            _ = transformer.forward(
                Array(tokens[first..<min(first + batch, prefillCount)]), at: first, isDense: true,
                observer: recorder)
        }
        for position in prefillCount..<tokens.count {
            try Interruption.check()
            _ = transformer.forward(
                [tokens[position]], at: position, isDense: false, observer: recorder)
        }
        return try write(
            activity: recorder.takeTokens(), tokens: tokens, prefillCount: prefillCount,
            request: request, model: loaded, to: path)
    }

    /// As ``record(_:model:threadCount:to:)``, all of it densely and in windows that each begin
    /// with a fresh context: more text than a context holds, for the parents.
    static func recordDensely(
        _ request: Request, model loaded: LoadedModel, threadCount: Int, to path: String
    ) throws -> RecordedTrace {
        let tokens = loaded.tokenizer.encode(request.text, parsingSpecialTokens: false)
        let window = min(Calibration.windowTokenCount, loaded.model.shape.contextLength)
        let recorder = ActivityRecorder(model: loaded.model, rule: request.rule)
        for first in stride(from: 0, to: tokens.count, by: window) {
            let part = Array(tokens[first..<min(first + window, tokens.count)])
            var transformer = ReferenceTransformer(
                model: loaded.model, contextCapacity: part.count, rule: request.rule,
                threadCount: threadCount)
            let batch = ReferenceTransformer.batchTokenCount
            for start in stride(from: 0, to: part.count, by: batch) {
                try Interruption.check()
                _ = transformer.forward(
                    Array(part[start..<min(start + batch, part.count)]), at: start, isDense: true,
                    observer: recorder)
            }
        }
        return try write(
            activity: recorder.takeTokens(), tokens: tokens, prefillCount: tokens.count,
            request: request, model: loaded, to: path)
    }

    /// The feed-forward neurons as a trace has them.
    static func shape(of loaded: LoadedModel) -> TraceShape {
        let shape = loaded.model.shape
        return TraceShape(
            layerCount: shape.layerCount,
            blocks: [TraceBlock(name: "mlp", neuronCount: shape.feedForwardSize)])
    }

    private static func write(
        activity: [[PackedSet]], tokens: [Int32], prefillCount: Int, request: Request,
        model loaded: LoadedModel, to path: String
    ) throws -> RecordedTrace {
        let setting = request.sparsity.map { "wshift \($0)" } ?? "ReLU"
        let header = TraceHeader(
            modelName: String(FilePath(loaded.path).lastComponent?.string ?? loaded.path),
            modelSHA256: try ModelHash.hexadecimal(of: loaded),
            source: "\(request.textName), \(setting)", shape: shape(of: loaded),
            prefillTokenCount: prefillCount)
        try WholeFile.prepare(path)
        var recorder = try TraceRecorder(
            path: path, header: header, samplesPrompt: prefillCount == tokens.count)
        for (token, sets) in zip(tokens, activity) {
            try recorder.append(tokenID: Int(token), sets: sets)
        }
        return try recorder.finish()
    }
}
