package import MappedMemory

/// Why a segment could not be created, adopted or attached to. Errors of an open link are
/// `LinkError`s.
package enum RingError: Error, Equatable, CustomStringConvertible {
    /// Shared memory could not be had.
    case memory(MappedMemoryError)
    /// The two sides do not agree about `field` of the handshake.
    case handshake(field: String, expected: String, found: String)
    /// The end of this name is taken or was used before; a segment serves one pair of processes.
    case endInUse(String)

    package var description: String {
        switch self {
        case .memory(let error):
            error.description
        case .handshake(let field, let expected, let found):
            "ring segment refused: its \(field) is \(found), expected \(expected)"
        case .endInUse(let end):
            "ring segment refused: its \(end)'s end was attached before"
        }
    }
}
