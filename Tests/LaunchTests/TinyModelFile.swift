import Foundation
import TestModels
import Testing
import WeightFormats

/// A small random model in a file, with a cache of its own, so that tests neither wait for the
/// default model nor touch the user's cache.
struct TinyModelFile {
    static let tokenCount = 8

    let folder: ScratchFolder
    let path: String

    /// The model file as bytes, in a folder of its own.
    init(_ bytes: [UInt8]) throws {
        folder = try ScratchFolder()
        path = try folder.write("model.gguf", bytes)
    }

    init(contextLength: Int = 256) throws {
        try self.init(TinyLlama.build(contextLength: contextLength))
    }

    /// Runs it: a short raw prompt, ``tokenCount`` tokens; later options win over these.
    func run(
        _ options: [String], script: String? = nil, within limit: Duration = .seconds(60)
    ) throws -> Outcome {
        try LaunchTests.start(
            arguments(options), script: script, environment: environment, within: limit)
    }

    func launch(_ options: [String]) throws -> Launch {
        try Launch(arguments(options), environment: environment)
    }

    var environment: [String: String?] { ["XDG_CACHE_HOME": folder.entry("cache")] }

    /// Options given twice are wrong, so a default is left out where the caller has its own.
    func arguments(_ options: [String]) -> [String] {
        var arguments = ["run", "--model", path, "--raw", "--ignore-eos"]
        if !options.contains("--prompt") { arguments += ["--prompt", "Hello, DIMM."] }
        if !options.contains("--tokens") { arguments += ["--tokens", "\(Self.tokenCount)"] }
        return arguments + options
    }
}
