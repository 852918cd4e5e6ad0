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
              hermes run --topology 8-dimm.yaml --prompt "What is a NUMA node?" --tokens 64
              hermes topology show --topology rtx4090-8dimm
            """,
        version: Provenance.versionLine,
        subcommands: [
            RunCommand.self, CalibrateCommand.self, TopologyCommand.self, WorkerCommand.self,
        ])

    static func main() {
        do {
            try checkArgumentEncoding()
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            Terminal.complain("hermes: \(failure.description)")
            Foundation.exit(failure.code.rawValue)
        } catch {
            // Help and version are "errors" of the parser too, with exit code 0.
            exit(withError: error)
        }
    }

    /// Swift repairs invalid UTF-8 in arguments silently; a prompt must not be changed silently.
    private static func checkArgumentEncoding() throws {
        for index in 0..<Int(CommandLine.argc) {
            guard let argument = unsafe CommandLine.unsafeArgv[index] else { continue }
            if unsafe String(validatingCString: argument) == nil {
                throw Failure(.badInput, "argument \(index) is not valid UTF-8")
            }
        }
    }
}
