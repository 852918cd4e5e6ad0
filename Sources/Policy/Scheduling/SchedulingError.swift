/// What a placement policy or a peer may ask for that cannot be done. Policies are plugged in and
/// acknowledgements arrive from other processes, so both are input.
package enum SchedulingError: Error, Equatable, CustomStringConvertible {
    /// No such layer, block, neuron or DIMM.
    case unknownPlace(Remap)
    /// A remap to where the neuron is already.
    case sameHome(Remap)
    /// The neuron is at home elsewhere than the remap says.
    case notAtHome(Remap, home: Int)
    /// An earlier remap of the neuron is neither committed nor aborted.
    case inFlight(Remap)
    /// The receiver has no memory for it.
    case noMemory(Remap, freeByteCount: Int)
    /// A commit or an abort of something that was not proposed, or is over.
    case unknownTicket(RemapTicket)

    package var description: String {
        switch self {
        case .unknownPlace(let remap): "\(remap): no such layer, block, neuron or DIMM"
        case .sameHome(let remap): "\(remap): moves nothing"
        case .notAtHome(let remap, let home): "\(remap): the neuron is at home on DIMM \(home)"
        case .inFlight(let remap): "\(remap): an earlier remap of this neuron is not over"
        case .noMemory(let remap, let free):
            "\(remap): DIMM \(remap.to) has only \(free) bytes free"
        case .unknownTicket(let ticket): "remap \(ticket.number) is not in flight"
        }
    }
}
