/// Turns a conversation into the text that a model was trained on, by the model's own template.
///
/// Templates are written in Jinja. This evaluates the part of it that chat templates use, without
/// access to anything but the conversation, and follows the origin of every character, so that a
/// message cannot smuggle in control tokens. What lies outside that part is an error that names it.
///
/// Not supported, beside what needs Python: macros, includes, recursive loops, string formatting,
/// printing of lists and mappings, `tojson`. Using them is an error only where it happens, so that
/// a template's branch for tools does no harm to a plain chat; tags are checked at once. The
/// variables are `messages`, `bos_token`, `eos_token` and `add_generation_prompt`.
package struct ChatTemplate: Sendable {
    package static let maximumSourceByteCount = 1 << 20
    package static let maximumStepCount = 1_000_000
    /// Characters that a template may handle, beside `charactersPerCharacter` for each one given.
    static let freeCharacterCount = 1 << 22
    static let charactersPerCharacter = 256

    private let statements: [TemplateStatement]

    /// - Parameter source: the value of `tokenizer.chat_template`.
    package init(_ source: String) throws(ChatTemplateError) {
        guard source.utf8.count <= Self.maximumSourceByteCount else {
            throw .sourceTooLong(byteCount: source.utf8.count)
        }
        statements = try TemplateParser.statements(of: source)
    }

    /// The conversation as text.
    ///
    /// - Parameters:
    ///   - addingGenerationPrompt: whether to end with what introduces the assistant's next turn.
    ///   - beginText: the template's `bos_token`; see `Tokenizer.beginText`. A template that writes
    ///     it already puts the begin token first: do not prepend another.
    ///   - endText: the template's `eos_token`.
    /// - Returns: pieces in order, neighbours differing in origin, none empty.
    package func render(
        messages: [ChatMessage], addingGenerationPrompt: Bool, beginText: String,
        endText: String
    ) throws(ChatTemplateError) -> [ChatSegment] {
        let conversation = messages.map { message in
            var entry = TemplateDictionary()
            entry["role"] = .template(message.role.rawValue)
            entry["content"] = .text(TaggedText(message.content, isTemplateText: false))
            return TemplateValue.dictionary(entry)
        }
        let givenCount = messages.reduce(0) { $0 + $1.content.unicodeScalars.count }
        var evaluator = TemplateEvaluator(
            variables: [
                "messages": .list(conversation),
                "bos_token": .template(beginText),
                "eos_token": .template(endText),
                "add_generation_prompt": .bool(addingGenerationPrompt),
            ],
            characterLimit: Self.freeCharacterCount + Self.charactersPerCharacter * givenCount)
        return try evaluator.run(statements).segments
    }
}
