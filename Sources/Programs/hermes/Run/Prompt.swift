import SystemPackage

/// The text of a `--prompt` argument: itself, `@FILE`, or `-` for standard input.
enum Prompt {
    static let standard = "What is a memory channel? Answer in two sentences."

    static func read(_ argument: String) throws -> String {
        let text: String
        switch argument {
        case "-":
            text = try decode(
                WholeFile.read(.standardInput, name: "standard input"),
                "standard input")
        case _ where argument.hasPrefix("@"):
            let path = String(argument.dropFirst())
            text = try decode(try WholeFile.read(path, what: "prompt file"), "file '\(path)'")
        default:
            text = argument
        }
        guard !text.isEmpty else {
            throw Failure(.badInput, "the prompt is empty; give --prompt TEXT, @FILE or -")
        }
        return text
    }

    private static func decode(_ bytes: [UInt8], _ place: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "the prompt from \(place) is not valid UTF-8")
        }
        return text
    }
}
