/// What is wrong with a vocabulary.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
    case unsupportedModel(String)
    case unsupportedPreTokenizer(String)
    case noTokens
    case tooManyTokens(Int)
    case tooManyMerges(Int)
    case tooManyBytes(Int)
    case countMismatch(table: String, count: Int, tokenCount: Int)
    case tokenOutOfRange(role: String, id: Int32, tokenCount: Int)
    case missingBeginToken
    case unknownTokenType(id: Int, type: Int32)
    case duplicateToken(first: Int, second: Int, text: String)
    case malformedByteToken(id: Int, text: String)
    case scoreNotANumber(id: Int)
    case noFallback(byte: UInt8)
    case malformedMerge(index: Int, text: String)
    case mergeOutsideVocabulary(index: Int, text: String)
    case mergeIntoControlToken(index: Int, text: String)
    case duplicateMerge(index: Int, text: String)

    package var description: String {
        switch self {
        case .unsupportedModel(let name):
            "tokenizer model '\(name)' is not supported; supported: gpt2, llama"
        case .unsupportedPreTokenizer(let name):
            "pre-tokenizer '\(name)' is not supported; supported: "
                + WordRule.supportedNames.joined(separator: ", ")
        case .noTokens:
            "the vocabulary is empty"
        case .tooManyTokens(let count):
            "the vocabulary has \(count) tokens; at most \(Tokenizer.maximumTokenCount) are allowed"
        case .tooManyMerges(let count):
            "the vocabulary has \(count) merges; at most \(Tokenizer.maximumMergeCount) are allowed"
        case .tooManyBytes(let count):
            "the vocabulary's text has \(count) bytes; at most "
                + "\(Tokenizer.maximumVocabularyByteCount) are allowed"
        case .countMismatch(let table, let count, let tokenCount):
            "the vocabulary has \(tokenCount) tokens but \(count) \(table)"
        case .tokenOutOfRange(let role, let id, let tokenCount):
            "the \(role) token is \(id), but the vocabulary has \(tokenCount) tokens"
        case .missingBeginToken:
            "the model asks for a begin token but names none"
        case .unknownTokenType(let id, let type):
            "token \(id) has type \(type); types are 1 to 6"
        case .duplicateToken(let first, let second, let text):
            "tokens \(first) and \(second) have the same text '\(text)'"
        case .malformedByteToken(let id, let text):
            "token \(id) is a byte token, but its text '\(text)' is not of the form <0x0A>"
        case .scoreNotANumber(let id):
            "the score of token \(id) is not a number"
        case .noFallback(let byte):
            "byte \(byte) has no token and the model names no unknown token"
        case .malformedMerge(let index, let text):
            "merge \(index), '\(text)', is not two texts with one space between them"
        case .mergeOutsideVocabulary(let index, let text):
            "merge \(index), '\(text)', has a part or a result that is not in the vocabulary"
        case .mergeIntoControlToken(let index, let text):
            "merge \(index), '\(text)', has a control token as a part or as its result"
        case .duplicateMerge(let index, let text):
            "merge \(index), '\(text)', has been listed before"
        }
    }
}
