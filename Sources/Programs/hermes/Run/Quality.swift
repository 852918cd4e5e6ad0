import Kernels
import ModelFile
import Tokenizer
import Transformer

/// The run's logits at positions that it computed by its own mode, kept until no clock runs any
/// more: the dense model then says what it would have made of the same tokens.
struct LogitTrail {
    /// Bounds the memory: 100 MB at a vocabulary of 49,152.
    private static let positionLimit = 512

    private(set) var logits: [[Float]] = []

    mutating func add(_ next: [Float]) {
        if logits.count < Self.positionLimit { logits.append(next) }
    }

    /// Compares with the dense model on the tokens that the run itself chose.
    ///
    /// - Parameters:
    ///   - prompt: before the generated tokens.
    ///   - generated: the tokens that the run consumed, in order; logits follow each.
    func comparison(
        model: DecoderModel, prompt: [Int32], generated: [Int32], threadCount: Int
    ) throws -> LogitComparison {
        var comparison = LogitComparison()
        guard !logits.isEmpty else { return comparison }
        var dense = try ReferenceTransformer.dense(
            model, after: prompt, capacity: prompt.count + logits.count, threadCount: threadCount)
        for (step, own) in logits.enumerated() {
            try Interruption.check()
            comparison.add(
                logits: own,
                dense: dense.forward([generated[step]], at: prompt.count + step, isDense: true))
        }
        return comparison
    }
}

/// `run --evaluate`: a text's own tokens go through the run's mode, beside the dense model.
struct Evaluation {
    /// Of a text so many tokens are the dense prefill, fewer of a short one.
    private static let prefillTokenCount = 128

    let tokens: [Int32]
    let prefillCount: Int

    /// - Parameters:
    ///   - tokens: of the whole text.
    ///   - stepLimit: at most so many are decoded.
    init(tokens: [Int32], stepLimit: Int?, contextLength: Int) throws {
        let fitting = Array(tokens.prefix(contextLength))
        guard fitting.count >= 4 else {
            throw Failure(.badInput, "the text to evaluate gives fewer than 4 tokens")
        }
        prefillCount = min(Self.prefillTokenCount, fitting.count / 2)
        let (end, overflows) = prefillCount.addingReportingOverflow(1 + (stepLimit ?? Int.max - 1))
        self.tokens = overflows ? fitting : Array(fitting.prefix(end))
    }

    /// The text of a file, tokenized.
    init(path: String, stepLimit: Int?, loaded: LoadedModel) throws {
        let bytes = try WholeFile.read(path, what: "text to evaluate")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "text to evaluate '\(path)': not valid UTF-8")
        }
        let begin = loaded.tokenizer.beginToken.map { [$0] } ?? []
        try self.init(
            tokens: begin + loaded.tokenizer.encode(text, parsingSpecialTokens: false),
            stepLimit: stepLimit, contextLength: loaded.model.shape.contextLength)
    }

    var prefix: [Int32] { Array(tokens[..<prefillCount]) }
    /// Every token after the prefill but the last is decoded; the last only has to be predicted.
    var stepCount: Int { tokens.count - 1 - prefillCount }

    /// - Parameter step: runs one token at a position and returns the logits after it.
    /// - Returns: the comparison, and the wall time of the steps alone.
    func run(
        model: DecoderModel, threadCount: Int, step: (Int32, Int) throws -> [Float]
    ) throws -> (LogitComparison, Duration) {
        var comparison = LogitComparison()
        var dense = try ReferenceTransformer.dense(
            model, after: prefix, capacity: tokens.count, threadCount: threadCount)
        let clock = ContinuousClock()
        var span = Duration.zero
        for position in prefillCount..<tokens.count - 1 {
            let start = clock.now
            let logits = try step(tokens[position], position)
            span += start.duration(to: clock.now)
            comparison.add(
                logits: logits,
                dense: dense.forward([tokens[position]], at: position, isDense: true),
                target: tokens[position + 1])
        }
        return (comparison, span)
    }
}

extension ReferenceTransformer {
    /// The dense model with `prompt` behind it.
    fileprivate static func dense(
        _ model: DecoderModel, after prompt: [Int32], capacity: Int, threadCount: Int
    ) throws -> ReferenceTransformer {
        var dense = ReferenceTransformer(
            model: model, contextCapacity: capacity, rule: nil, threadCount: threadCount)
        for first in stride(from: 0, to: prompt.count, by: batchTokenCount) {
            try Interruption.check()
            let end = min(first + batchTokenCount, prompt.count)
            _ = dense.forward(Array(prompt[first..<end]), at: first, isDense: true)
        }
        return dense
    }
}
