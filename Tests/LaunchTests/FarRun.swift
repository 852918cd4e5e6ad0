import Foundation
import Glibc
import Testing

/// A run whose workers a launcher starts on two hosts, two DIMMs on each.
struct FarRun {
    let model: TinyModelFile
    private let hosts: [String]
    private let secret: String

    init(hosts: [String], contextLength: Int = 256) throws {
        self.hosts = hosts
        model = try TinyModelFile(contextLength: contextLength)
        secret = try model.folder.write("secret", (0..<32).map { _ in UInt8.random(in: 0...255) })
        #expect(unsafe chmod(secret, 0o600) == 0)
    }

    func arguments(launcher: String, _ options: [String]) -> [String] {
        model.arguments(
            ["--topology", "4-dimm", "--json", "-", "--launcher", launcher]
                + ["--secret-file", secret]
                + (0..<4).flatMap { ["--set", "dimm_overrides.\($0).host=\(hosts[$0 / 2])"] }
                + options)
    }

    func local(_ options: [String] = []) throws -> Outcome {
        try model.run(["--topology", "4-dimm", "--json", "-"] + options)
    }
}
