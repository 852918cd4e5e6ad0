import Glibc

/// Writes to the standard streams: data on stdout, everything else on stderr.
enum Terminal {
    static let isErrorTerminal = isatty(STDERR_FILENO) == 1

    /// Writes data at once, unbuffered, so that text streams. A closed pipe ends the program
    /// quietly, as it ends `cat`.
    static func emit(_ text: String) { write(text, to: STDOUT_FILENO) }

    /// Writes a line for people.
    static func complain(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var offset = 0
            while offset < bytes.count {
                let written = unsafe Glibc.write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
                if written < 0 {
                    if errno == EINTR { continue }
                    return
                }
                offset += written
            }
        }
    }
}
