import ArgumentParser

/// Measured cost of our own code; each benchmark checks its result before it reports a figure.
struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measures the project's own code on this machine.",
        subcommands: [
            RingCommand.self, FanOutCommand.self, RingPeerCommand.self,
            LinkCommand.self,
            KernelsCommand.self, CapsCommand.self, DecodeCommand.self,
            PredictorsCommand.self, RecoveryCommand.self,
        ])
}

/// `benchmarks kernels`: products, norms and attention at model sizes.
struct KernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels", abstract: "Speed of the compute kernels on one and all cores.")

    func run() { KernelBenchmark().run() }
}

/// `benchmarks caps`: how exactly a shared link's cap holds.
struct CapsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "caps", abstract: "Achieved rate of capped links against their caps.")

    @Flag(help: "A part of the grid.")
    var quick = false

    @Flag(help: "Spin up to each deadline instead of sleeping.")
    var spin = false

    @Option(help: "Lateness of a wake-up that a link may make good, milliseconds.")
    var catchUpMilliseconds: UInt64 = 1

    func run() throws {
        try CapBenchmark(
            isQuick: quick, spins: spin, catchUpMilliseconds: catchUpMilliseconds
        ).run()
    }
}

Benchmarks.main()
