/// What is fuzzed: one reader of input that the program did not write itself.
///
/// An error is a fine answer to any bytes; a trap, a wrong access or an endless loop is a finding.
/// Where a checksum guards a format, it is made right first, so that the fields behind it are
/// reached; traces are the exception, see the article "Testing" beside this file.
package enum FuzzTarget: String, CaseIterable, Sendable {
    case calibration
    case frames
    case gguf
    case handshake
    case messages
    case numpy
    case partition
    case ring
    case template
    case tokenizer
    case topology
    case trace

    /// Reads `bytes` as this target's input.
    ///
    /// - Returns: whether they were accepted.
    @discardableResult
    package func run(_ bytes: [UInt8]) -> Bool {
        do {
            switch self {
            case .calibration: try FileTargets.calibration(bytes)
            case .frames: try ConnectionTargets.frames(bytes)
            case .gguf: try FileTargets.gguf(bytes)
            case .handshake: try ConnectionTargets.handshake(bytes)
            case .messages: try MessageTargets.messages(bytes)
            case .numpy: try FileTargets.numpy(bytes)
            case .partition: try FileTargets.partition(bytes)
            case .ring: try MessageTargets.ring(bytes)
            case .template: try TextTargets.template(bytes)
            case .tokenizer: try TextTargets.tokenizer(bytes)
            case .topology: try TextTargets.topology(bytes)
            case .trace: try FileTargets.trace(bytes)
            }
            return true
        } catch {
            // Refused, as it may be; the error's text is part of what must not trap.
            return "\(error)".isEmpty
        }
    }
}
