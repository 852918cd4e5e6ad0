import ArgumentParser
import FaultInjection

/// `--restarts` and `--stall-after`: what a run does about workers that fail.
struct RecoveryOptions: ParsableArguments {
    @Option(
        help: """
            How many lost workers may be replaced; each is told what the lost one knew, and the \
            tokens stay. 0 ends the run with the first.
            """)
    var restarts = 3

    @Option(
        help: """
            Seconds that a worker which owes an answer may do nothing, neither compute nor send, \
            before it counts as lost; where only its answers can be seen, on other hosts, six \
            times as long, and sixty times while it loads; \
            a paced run waits as much longer as its dilation says.
            """)
    var stallAfter = 10.0

    @Option(
        name: .customLong("fault"),
        help: """
            Make something fail on purpose: ACTION[:N][*COUNT][@KEY=VALUE,...], such as \
            kill@token=3,layer=2,step=mlp,dimm=1. What is left open is drawn from --seed. See \
            FaultInjection.docc.
            """)
    var faults: [FaultText] = []

    func validate() throws {
        guard restarts >= 0, restarts <= 1_000_000 else {
            throw ValidationError("--restarts must lie between 0 and 1000000")
        }
        guard stallAfter >= 0.1, stallAfter <= 86_400 else {
            throw ValidationError("--stall-after must lie between 0.1 and 86400 seconds")
        }
    }

    var policy: RecoveryPolicy {
        RecoveryPolicy(
            restartLimit: restarts, stallAfter: .milliseconds(Int64(1000 * stallAfter)))
    }
}

extension FaultText: ExpressibleByArgument {
    public init?(argument: String) {
        do {
            try self.init(argument)
        } catch {
            Terminal.complain("hermes: \(error)")
            return nil
        }
    }
}
