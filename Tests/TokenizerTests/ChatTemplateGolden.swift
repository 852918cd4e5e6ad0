import Testing

/// Chat templates in the manner of well-known model families, and what Jinja 3.1 with
/// `trim_blocks` and `lstrip_blocks` makes of `ChatTemplateTests.dialogue` and a greeting.
struct ChatTemplateGolden: CustomTestStringConvertible {
    let name: String
    let beginText: String
    let endText: String
    let source: String
    /// Of a user saying "Hi there", with the generation prompt.
    let greeting: String
    /// Of `dialogue`, without the generation prompt; `nil` where the template refuses it.
    let dialogue: String?
    var testDescription: String { name }

    /// Keeps white space at the end of a line of the literals below.
    static let emptyText = ""

    static let all = [
        smollm2, chatml, zephyr, llama2, llama3, llama32, mistral, gemma, qwen, phi3,
    ]
}
