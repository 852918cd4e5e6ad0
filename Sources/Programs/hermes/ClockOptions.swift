import ArgumentParser
import Pacing

/// `--clock` and what a paced clock needs: of every command that starts workers.
struct ClockOptions: ParsableArguments {
    @Option(
        help: "Clock: virtual (deterministic), paced (real time, stretched), native (no time kept)."
    )
    var clock = ClockKind.virtual

    @Option(help: "Wall time per emulated time of a paced run: auto, or a number.")
    var dilation = DilationChoice.automatic

    @Option(help: "Share of deadlines that a paced run may miss before it ends with exit 76.")
    var overrunLimit = 0.01

    func validate() throws {
        guard overrunLimit >= 0, overrunLimit <= 1 else {
            throw ValidationError("--overrun-limit must lie between 0 and 1")
        }
    }
}

extension ClockKind: ExpressibleByArgument {}

/// `--dilation`: measured on this machine, or given.
enum DilationChoice: ExpressibleByArgument {
    case automatic
    case fixed(Dilation)

    init?(argument: String) {
        if argument == "auto" {
            self = .automatic
        } else if let dilation = try? Dilation(parsing: argument) {
            self = .fixed(dilation)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String { "auto" }
}
