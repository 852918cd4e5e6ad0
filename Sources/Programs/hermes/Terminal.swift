import Glibc
import SystemPackage

/// Writes to the standard streams: data on stdout, everything else on stderr.
enum Terminal {
    static let isErrorTerminal = isatty(STDERR_FILENO) == 1

    /// Opens /dev/null for each standard stream that the caller has closed: the next file or ring
    /// that the program opens would get its number otherwise, and text would be written into it.
    static func occupyStandardStreams() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) < 0 {
            _ = unsafe open("/dev/null", O_RDWR)  // takes the lowest free number: this one
        }
    }

    /// Writes data at once, unbuffered, so that text streams. A closed pipe ends the program
    /// quietly, as it ends `cat`; a full disk throws.
    static func emit(_ text: String) throws(Failure) {
        let status = write(text, to: STDOUT_FILENO)
        guard status == 0 else {
            throw Failure(
                .machineLacks, "cannot write to standard output: \(Errno(rawValue: status))")
        }
    }

    /// Writes a line for people.
    static func complain(_ line: String) {
        // Where nobody can be told, nobody can be told that either.
        _ = write(line + "\n", to: STDERR_FILENO)
    }

    /// Writes for people without ending the line.
    static func mutter(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    /// - Returns: 0, or the number of the error.
    private static func write(_ text: String, to descriptor: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            var offset = 0
            while offset < bytes.count {
                let written = unsafe Glibc.write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + offset }, bytes.count - offset)
                if written >= 0 {
                    offset += written
                } else if errno == EAGAIN {
                    // A stream that another process has made non-blocking.
                    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = unsafe poll(&request, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
    }
}
