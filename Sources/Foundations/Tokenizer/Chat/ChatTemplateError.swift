/// What is wrong with a chat template, or with a conversation in the template's eyes.
package enum ChatTemplateError: Error, Equatable, CustomStringConvertible {
    /// A place in the template's source, both counted from 1; columns are Unicode scalars.
    package struct Position: Hashable, Sendable, CustomStringConvertible {
        package var line: Int
        package var column: Int
        package var description: String { "line \(line), column \(column)" }
    }

    case sourceTooLong(byteCount: Int)
    case syntax(String, Position)
    case unsupported(construct: String, Position)
    case tooDeep(Position)
    case evaluation(String, Position)
    /// The template itself refuses the conversation with `raise_exception`.
    case refused(message: String)
    case tooManySteps(limit: Int, Position)
    case tooMuchText(limit: Int, Position)

    package var description: String {
        switch self {
        case .sourceTooLong(let byteCount):
            "the chat template has \(byteCount) bytes; at most "
                + "\(ChatTemplate.maximumSourceByteCount) are allowed"
        case .syntax(let problem, let position):
            "the chat template is malformed at \(position): \(problem)"
        case .unsupported(let construct, let position):
            "the chat template uses \(construct) at \(position), which is not supported"
        case .tooDeep(let position):
            "the chat template is nested too deeply at \(position)"
        case .evaluation(let problem, let position):
            "the chat template fails at \(position): \(problem)"
        case .refused(let message):
            "the chat template refuses this conversation: \(message)"
        case .tooManySteps(let limit, let position):
            "the chat template exceeds \(limit) steps at \(position)"
        case .tooMuchText(let limit, let position):
            "the chat template handles more than \(limit) characters at \(position)"
        }
    }
}
