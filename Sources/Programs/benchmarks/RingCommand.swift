import ArgumentParser
import LinkRecords
import RingTransport

/// `benchmarks ring`: two processes on two processors, over rings, pipes and sockets.
struct RingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "One-way throughput and round trips between two processes.")

    @Option(help: "Samples of each throughput; the median is reported.")
    var samples = 7

    @Flag(inversion: .prefixedNo, help: "Whether the rings' records carry checksums.")
    var checksums = true

    @Flag(help: "Measures the rings alone, not pipes and sockets.")
    var ringsOnly = false

    func validate() throws {
        guard samples > 0 else { throw ValidationError("--samples must be at least 1") }
    }

    func run() throws {
        try Machine.requireProcessors(2)
        print(Machine.description)
        try bindToProcessor(0)
        try printThroughput()
        try printRoundTrips()
    }

    private var chosen: [(name: String, transport: Transport, policy: WaitPolicy)] {
        Self.contenders.filter { !ringsOnly || $0.transport == .ring }
    }

    /// What is compared, and how it waits; kernel channels always sleep.
    private static let contenders: [(name: String, transport: Transport, policy: WaitPolicy)] = [
        ("ring, spinning", .ring, .spinning),
        ("ring, sleeping", .ring, .sleeping),
        ("pipe", .pipe, .sleeping),
        ("Unix socket", .socket, .sleeping),
    ]

    private func printThroughput() throws {
        print("\nOne way, processor 0 to 1, median of \(samples) [least, most]; M messages/s")
        for (byteCount, messageCount) in [(64, 1_000_000), (4096, 100_000), (65536, 8_000)] {
            var placement = try PlacementProbe.run()
            for (name, transport, policy) in chosen {
                let benchmark = RingThroughput(
                    channel: Channel(
                        transport: transport, policy: policy, messageByteCount: byteCount,
                        hasChecksums: checksums),
                    messageCount: transport == .ring ? messageCount : messageCount / 5,
                    sampleCount: samples)
                let rates = try benchmark.run()
                let median = rates[rates.count / 2]
                let before = placement
                placement = try PlacementProbe.run()
                print(
                    row("\(byteCount) B, \(name)"),
                    fixed(median / 1e6, 3),
                    "[\(fixed(rates[0] / 1e6, 3)), \(fixed(rates[rates.count - 1] / 1e6, 3))]",
                    " \(fixed(median * Double(byteCount) / 1e9, 2)) GB/s ",
                    PlacementProbe.describe(before, placement))
            }
        }
    }

    private func printRoundTrips() throws {
        print("\nRound trip, processor 0 to 1 and back; us")
        for byteCount in [64, 4096] {
            var placement = try PlacementProbe.run()
            for (name, transport, policy) in chosen {
                let isSpinning = policy.spinIterations > 0
                let times = try RoundTrip(
                    channel: Channel(
                        transport: transport, policy: policy, messageByteCount: byteCount,
                        hasChecksums: checksums),
                    roundCount: isSpinning ? 200_000 : 30_000
                ).run()
                let before = placement
                placement = try PlacementProbe.run()
                print(
                    row("\(byteCount) B, \(name)"), times.description, "",
                    PlacementProbe.describe(before, placement))
            }
        }
    }
}

/// `text`, filled up to a column.
func row(_ text: String) -> String {
    text + String(repeating: " ", count: max(1, 26 - text.count))
}

/// `value` with a fixed number of decimals.
func fixed(_ value: Double, _ decimalCount: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimalCount { scale *= 10 }
    let rounded = Int((value * scale).rounded())
    let whole = rounded / Int(scale)
    let digits = String(rounded % Int(scale))
    let padding = String(repeating: "0", count: decimalCount - digits.count)
    return decimalCount == 0 ? "\(whole)" : "\(whole).\(padding)\(digits)"
}
