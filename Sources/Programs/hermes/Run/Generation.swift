import Tokenizer
import Transformer

/// The token loop: sample, show, stop or go on.
struct Generation {
    private let request: RunRequest
    private let tokenizer: Tokenizer
    private let streams: Bool
    private var sampler: Sampler
    private var decoder = StreamingDecoder()
    private(set) var tokens: [Int32] = []
    /// Distance between the two best logits at each token.
    private(set) var margins: [Float] = []
    private(set) var text = ""
    private(set) var stopReason = StopReason.length
    /// Forward passes after the prefill: one fewer than tokens, unless none was needed.
    private(set) var decodeStepCount = 0

    enum StopReason: String {
        case length, endToken = "end_token", context, evaluated
    }

    init(request: RunRequest, tokenizer: Tokenizer, output: OutputOptions) {
        self.request = request
        self.tokenizer = tokenizer
        streams = !output.writesJSONToStandardOutput
        sampler = Sampler(temperature: request.temperature, seed: request.seed)
    }

    /// - Parameters:
    ///   - firstLogits: after the prompt's last token.
    ///   - position: where the first generated token goes.
    ///   - step: runs one token at a position and returns the logits after it.
    mutating func run(
        firstLogits: [Float], position: Int, contextLength: Int,
        step: (Int32, Int) throws -> [Float]
    ) throws {
        do {
            try generate(
                from: firstLogits, position: position, contextLength: contextLength, step: step)
        } catch {
            try? finishText()
            throw error
        }
        try finishText()
    }

    /// Notes that a text's own tokens took the place of generated ones.
    mutating func noteEvaluation(stepCount: Int) {
        decodeStepCount = stepCount
        stopReason = .evaluated
    }

    private mutating func generate(
        from firstLogits: [Float], position: Int, contextLength: Int,
        step: (Int32, Int) throws -> [Float]
    ) throws {
        var logits = firstLogits
        while true {
            let choice = sampler.sample(logits.span)
            let token = Int32(choice.token)
            tokens.append(token)
            margins.append(choice.margin)
            let isEnd = tokenizer.endOfGenerationTokens.contains(token)
            try show(token, isEnd: isEnd)
            if isEnd && !request.ignoresEnd {
                stopReason = .endToken
                return
            }
            if tokens.count == request.generationLimit { return }
            let next = position + tokens.count - 1
            guard next < contextLength else {
                stopReason = .context
                return
            }
            logits = try step(token, next)
            decodeStepCount += 1
        }
    }

    private mutating func show(_ token: Int32, isEnd: Bool) throws {
        // A chat reader wants no "<|im_end|>" at the end; a raw completion shows what came.
        if isEnd && !request.ignoresEnd && !request.isRaw { return }
        let bytes = tokenizer.bytes(of: token, renderingSpecialTokens: true)
        try append(decoder.append(bytes))
    }

    private mutating func finishText() throws {
        try append(decoder.finish())
        if streams { try Terminal.emit("\n") }
    }

    private mutating func append(_ piece: String) throws {
        text += piece
        if streams { try Terminal.emit(piece) }
    }
}
