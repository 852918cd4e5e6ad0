/// One turn of a conversation.
package struct ChatMessage: Hashable, Sendable {
    /// Who speaks. A closed set, because templates build control tokens from it.
    package enum Role: String, CaseIterable, Sendable {
        case system, user, assistant, tool
    }

    package var role: Role
    /// What was said. Never trusted: it cannot yield control tokens.
    package var content: String

    package init(role: Role, content: String) {
        self.role = role
        self.content = content
    }
}

/// A piece of a rendered chat with its origin.
package struct ChatSegment: Hashable, Sendable {
    package var text: String
    /// Whether the template wrote the text (or it is a role or a begin or end text); otherwise it
    /// is somebody's message, where control tokens are not to be recognised.
    package var isTemplateText: Bool

    package init(text: String, isTemplateText: Bool) {
        self.text = text
        self.isTemplateText = isTemplateText
    }
}
