import ArgumentParser

/// Measured cost of our own code; each benchmark checks its result before it reports a figure.
struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures the project's own code on this machine.",
        subcommands: [RingCommand.self, FanOutCommand.self, RingPeerCommand.self])
}

Benchmarks.main()
