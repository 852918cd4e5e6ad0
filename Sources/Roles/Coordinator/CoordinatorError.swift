package import Messages

/// What ends a sharded run from outside.
package enum CoordinatorError: Error, CustomStringConvertible {
    /// The link to a DIMM's worker failed: the process died, stalled or broke the protocol.
    case link(dimm: Int, LinkError)
    /// A worker said that it cannot go on, with the exit code that fits.
    case fault(dimm: Int, code: Int, String)
    /// A worker failed and no other could take its place.
    case notReplaced(dimm: Int, LinkError, reason: String)
    /// The GPU role's own memory could not be had.
    case gpu(String)
    /// Emulated time or its clock failed.
    case time(String)
    /// The activity that a run by shape replays is not as long as the run.
    case activity(String)
    /// A signal asked the run to stop while the clock waited.
    case interrupted

    package var description: String {
        switch self {
        case .link(let dimm, let error): "worker of DIMM \(dimm): \(error)"
        case .fault(let dimm, _, let text): "worker of DIMM \(dimm): \(text)"
        case .notReplaced(let dimm, let error, let reason):
            "worker of DIMM \(dimm): \(error); not replaced: \(reason)"
        case .gpu(let text): "GPU role: \(text)"
        case .time(let text): "emulated time: \(text)"
        case .activity(let text): "activity: \(text)"
        case .interrupted: "interrupted"
        }
    }
}
