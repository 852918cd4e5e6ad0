import Foundation
import ModelFile
import SparsityCalibration
import SystemPackage
import Tokenizer
import Transformer

/// Finds a model's calibration in the cache, or makes it.
enum Calibration {
    /// Text goes through the model in windows of this many tokens, each with a fresh context.
    static let windowTokenCount = 256

    /// The shipped text, English of several kinds.
    static var shippedText: String {
        String(decoding: PackageResources.calibration_txt, as: UTF8.self)
    }

    /// Refuses a model whose neurons have no gates: its ReLU decides exactly which are active.
    ///
    /// - Parameter request: what the user asked for, such as an option.
    static func requireGates(_ loaded: LoadedModel, for request: String) throws {
        let architecture = loaded.model.shape.architecture
        guard !architecture.isGated else { return }
        throw Failure(
            .badInput,
            "model file '\(loaded.path)': \(request) is for models with gates; in the "
                + "\(architecture.rawValue) architecture ReLU leaves neurons exactly zero, and "
                + "every run skips those")
    }

    /// Loads the cached calibration on the shipped text; makes it first when there is none.
    static func load(for loaded: LoadedModel, threadCount: Int) throws -> CalibrationFile {
        try requireGates(loaded, for: "--sparsity")
        let path = try path(for: loaded)
        if let known = try? open(path, for: loaded) { return known }
        Terminal.complain("hermes: calibrating the model's gates (once per model) ...")
        return try make(
            for: loaded, text: shippedText, path: path, threadCount: threadCount)
    }

    /// Calibrates on `text` and writes the result to `path`.
    static func make(
        for loaded: LoadedModel, text: String, path: String, threadCount: Int
    ) throws -> CalibrationFile {
        let tokens = loaded.tokenizer.encode(text, parsingSpecialTokens: false)
        guard tokens.count >= 2 else {
            throw Failure(.badInput, "the calibration text gives fewer than 2 tokens")
        }
        let window = min(windowTokenCount, loaded.model.shape.contextLength)
        let windows = stride(from: 0, to: tokens.count, by: window).map {
            Array(tokens[$0..<min($0 + window, tokens.count)])
        }
        let tables = try Calibrator(model: loaded.model, threadCount: threadCount)
            .calibrate(windows: windows) { try Interruption.check() }
        try WholeFile.write(
            tables.encoded(modelHash: try ModelHash.bytes(of: loaded)), to: path)
        return try open(path, for: loaded)
    }

    /// Where the calibration on the shipped text is kept: by model and by text.
    static func path(for loaded: LoadedModel) throws -> String {
        let model = try ModelHash.hexadecimal(of: loaded)
        let name = "\(model)-\(shippedTextHash).calibration"
        return Locations.cacheFolder() + "/calibrations/" + name
    }

    /// Tells shipped texts apart in the cache: another text, another file.
    static var shippedTextHash: String {
        var text: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in PackageResources.calibration_txt {
            text = (text ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return String(text, radix: 16)
    }

    private static func open(_ path: String, for loaded: LoadedModel) throws -> CalibrationFile {
        do {
            return try CalibrationFile.open(
                FilePath(path), modelHash: try ModelHash.bytes(of: loaded),
                expecting: Calibrator(model: loaded.model, threadCount: 1).layout)
        } catch let error as CalibrationFileError {
            throw Failure(.badInput, error.description)
        }
    }
}
