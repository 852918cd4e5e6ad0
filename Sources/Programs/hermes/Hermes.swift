import ArgumentParser
import Foundation

/// The command line of the emulator: reads arguments, picks transport, clock and binding, and
/// turns every error into a message and an exit code.
@main
struct Hermes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hermes",
        abstract: "Runs the Hermes system (GPU plus NDP-DIMMs) as real processes.",
        discussion: """
            Examples:
              hermes run
              hermes run --topology 16-dimm --prompt "What is a NUMA node?" --tokens 64
              hermes emulate --model llama2-70b
              hermes topology show --topology rtx4090-8dimm
            """,
        version: Provenance.versionLine,
        subcommands: [
            RunCommand.self, EmulateCommand.self, ReproduceCommand.self, SweepCommand.self,
            StressCommand.self, CalibrateCommand.self, RecordCommand.self, PolicyCommand.self,
            PartitionCommand.self, TopologyCommand.self, DoctorCommand.self, NumaCommand.self,
            WorkerCommand.self,
        ])

    static func main() {
        do {
            Terminal.occupyStandardStreams()
            var command = try parseAsRoot(arguments())
            try command.run()
        } catch let failure as Failure {
            Terminal.complain("hermes: \(failure.description)")
            Foundation.exit(failure.code.rawValue)
        } catch {
            // Help and version are "errors" of the parser too, with exit code 0. What it does not
            // know, nobody turned into a failure: our own fault.
            guard exitCode(for: error) != .failure else {
                Terminal.complain("hermes: \(error)")
                Foundation.exit(Failure.Code.internalFault.rawValue)
            }
            exit(withError: error)
        }
    }

    /// The arguments after the program's name. Swift's own list repairs invalid UTF-8 silently (a
    /// prompt must not be changed silently) and is empty without /proc.
    private static func arguments() throws -> [String] {
        try (1..<max(1, Int(CommandLine.argc))).map { index in
            guard let bytes = unsafe CommandLine.unsafeArgv[index],
                let argument = unsafe String(validatingCString: bytes)
            else { throw Failure(.badInput, "argument \(index) is not valid UTF-8") }
            return argument
        }
    }
}
