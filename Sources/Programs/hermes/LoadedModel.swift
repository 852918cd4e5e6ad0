import Foundation
import ModelFile
import SystemPackage
import Tokenizer
import Transformer

/// A model file, opened and checked, with its tokenizer and chat template.
struct LoadedModel {
    let path: String
    let model: DecoderModel
    let tokenizer: Tokenizer
    private let template: String?
    private let metadata: TokenizerMetadata

    /// - Parameter path: `nil` means the default model.
    init(path: String?) throws {
        self.path = path ?? Locations.defaultModel()
        model = try Self.open(self.path, isDefault: path == nil)
        do {
            metadata = try TokenizerMetadata.read(from: model.file)
            tokenizer = try Tokenizer(TokenizerTables(metadata))
        } catch let error as ModelFileError {
            throw Failure(.badInput, error.description)
        } catch let error as TokenizerError {
            throw Failure(.badInput, "model file '\(self.path)': tokenizer: \(error)")
        }
        guard tokenizer.vocabularySize == model.shape.vocabularySize else {
            throw Failure(
                .badInput,
                "model file '\(self.path)': the tokenizer has \(tokenizer.vocabularySize) tokens, "
                    + "the embedding \(model.shape.vocabularySize) rows")
        }
        template = metadata.chatTemplate
    }

    /// Opens and checks the tensors only, as a worker needs them.
    static func open(_ path: String, isDefault: Bool) throws -> DecoderModel {
        if isDefault, !FileManager.default.fileExists(atPath: path) {
            throw Failure(
                .machineLacks,
                "the default model is not at '\(path)'; fetch it with: launch/setup --with-model")
        }
        do {
            return try DecoderModel(ModelFile.open(path: path))
        } catch {
            throw Failure(error.isLackOfResources ? .machineLacks : .badInput, error.description)
        }
    }

    /// The open model file, for workers to inherit.
    var descriptor: FileDescriptor {
        guard let descriptor = model.file.descriptor else {
            preconditionFailure("the model was opened from a path")
        }
        return descriptor
    }

    /// The prompt's tokens: `isRaw` takes the text as it is and parses special tokens in it;
    /// otherwise the model's chat template surrounds it, and the text itself stays text. Families
    /// without chat models complete the text.
    func encode(_ prompt: String, isRaw: Bool) throws -> [Int32] {
        if isRaw {
            let begin = tokenizer.beginToken.map { [$0] } ?? []
            return begin + tokenizer.encode(prompt, parsingSpecialTokens: true)
        }
        guard let template else {
            guard !model.shape.architecture.hasChatModels else {
                throw Failure(
                    .badInput, "model file '\(path)' has no chat template; use --raw")
            }
            Terminal.complain("hermes: the model has no chat template; it completes the prompt")
            return withBegin(tokenizer.encode(prompt, parsingSpecialTokens: false))
        }
        do {
            let segments = try ChatTemplate(template).render(
                messages: [ChatMessage(role: .user, content: prompt)],
                addingGenerationPrompt: true, beginText: tokenizer.beginText,
                endText: tokenizer.endText)
            return withBegin(tokenizer.encode(segments))
        } catch {
            throw Failure(
                .badInput, "model file '\(path)': chat template: \(error); use --raw")
        }
    }

    /// A template may write the begin token itself; then it is not put there twice.
    private func withBegin(_ tokens: [Int32]) -> [Int32] {
        guard let begin = tokenizer.beginToken, tokens.first != begin else { return tokens }
        return [begin] + tokens
    }
}

extension TokenizerTables {
    /// The tables as the model file stores them.
    init(_ metadata: TokenizerMetadata) {
        self.init(
            model: metadata.model, preTokenizer: metadata.preTokenizer ?? "default",
            tokens: metadata.tokens, scores: metadata.scores,
            tokenTypes: metadata.tokenTypes.map { Int32($0.rawValue) }, merges: metadata.merges,
            beginToken: metadata.beginOfText.map(Int32.init),
            endToken: metadata.endOfText.map(Int32.init),
            endOfTurnToken: metadata.endOfTurn.map(Int32.init),
            unknownToken: metadata.unknown.map(Int32.init),
            addsBeginToken: metadata.addsBeginOfText, addsSpacePrefix: metadata.addsSpacePrefix)
    }
}
