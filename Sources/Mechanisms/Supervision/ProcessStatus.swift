/// What the kernel says of a process or thread in its `stat` file, proc(5).
package struct ProcessStatus: Equatable, Sendable {
    /// R, S, D, T (stopped), Z (ended, not reaped), ...; field 3.
    package let state: Character
    /// Field 4.
    package let parent: Int32
    /// Clock ticks from the machine's start to its own; field 22.
    package let startTime: UInt64
    /// The CPU that it ran on last; field 39.
    package let lastCPU: Int

    /// Of a process; `nil` when there is none with this number.
    package init?(processIdentifier: Int32) {
        self.init(path: "/proc/\(processIdentifier)/stat")
    }

    /// - Parameter path: of a process's `stat` file, or of a thread's below `task`.
    package init?(path: String) {
        guard let text = try? readTextFile(path) else { return nil }
        self.init(text: text)
    }

    /// - Parameter text: such a file's content; `nil` for another.
    package init?(text: String) {
        // Field 2 is the name in parentheses, which may itself hold blanks and parentheses.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
        func field(_ number: Int) -> Substring? {
            fields.indices.contains(number - 3) ? fields[number - 3] : nil
        }
        guard let state = field(3)?.first, let parent = field(4).flatMap({ Int32($0) }),
            let startTime = field(22).flatMap({ UInt64($0) }),
            let lastCPU = field(39).flatMap({ Int($0) })
        else { return nil }
        self.state = state
        self.parent = parent
        self.startTime = startTime
        self.lastCPU = lastCPU
    }
}
