import Foundation
import Testing

extension LaunchTests {
    /// The calibration that `run --sparsity` needs, and its place in the cache.
    @Suite struct CalibrationTests {
        private static let folderName = "cache/hermes-emulator/calibrations"
        private static let sparse = ["--sparsity", "0.6", "--json", "-"]

        /// The one calibration file in a model's cache.
        private func calibration(of model: TinyModelFile) throws -> String {
            let files = model.folder.files(under: Self.folderName)
            try #require(files.count == 1, "\(files)")
            return model.folder.entry(Self.folderName) + "/" + files[0]
        }

        private func modificationTime(_ path: String) throws -> Date? {
            try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        }

        @Test func `calibrate writes the file that a sparse run then uses`() throws {
            let model = try TinyModelFile()
            let made = try LaunchTests.start(
                ["calibrate", "--model", model.path], environment: model.environment)
            #expect(made.ending == .exited(0), "\(made.errors)")
            #expect(made.text.contains("threshold"))
            let path = try calibration(of: model)
            #expect(made.errors.contains(path))
            let time = try modificationTime(path)
            let first = try model.run(Self.sparse)
            #expect(first.ending == .exited(0))
            #expect(!first.errors.contains("calibrating"), "\(first.errors)")
            #expect(try modificationTime(path) == time)
        }

        @Test func `A sparse run makes what is missing, once`() throws {
            let model = try TinyModelFile()
            let first = try model.run(Self.sparse)
            #expect(first.errors.contains("calibrating"))
            let time = try modificationTime(calibration(of: model))
            let second = try model.run(Self.sparse)
            #expect(!second.errors.contains("calibrating"))
            #expect(try modificationTime(calibration(of: model)) == time)
            #expect(
                try first.document().generatedTokens == second.document().generatedTokens)
        }

        @Test func `A damaged calibration is made again`() throws {
            let model = try TinyModelFile()
            let expected = try model.run(Self.sparse).document().generatedTokens
            let path = try calibration(of: model)
            let whole = try Data(contentsOf: URL(filePath: path))
            var flipped = whole
            flipped[whole.count / 2] ^= 0x40
            for damaged in [Data(), whole.prefix(100), whole.dropLast(8), flipped] {
                try damaged.write(to: URL(filePath: path))
                let outcome = try model.run(Self.sparse)
                #expect(outcome.errors.contains("calibrating"), "\(damaged.count) bytes")
                #expect(try outcome.document().generatedTokens == expected)
                #expect(try Data(contentsOf: URL(filePath: path)) == whole)
            }
        }

        @Test func `A damaged hash in the cache is not believed`() throws {
            let model = try TinyModelFile()
            let hash = try model.run(["--json", "-"]).document().model.sha256
            let name = "cache/hermes-emulator/hashes"
            let records = model.folder.files(under: name)
            try #require(records.count == 1)
            for content in ["", "short", String(repeating: "?", count: 64)] {
                _ = try model.folder.write(name + "/" + records[0], content)
                #expect(try model.run(["--json", "-"]).document().model.sha256 == hash)
            }
        }

        @Test func `calibrate takes another text and another place`() throws {
            let model = try TinyModelFile()
            let path = model.folder.entry("own.calibration")
            let outcome = try LaunchTests.start(
                [
                    "calibrate", "--model", model.path, "--text", "Row by row.", "--output", path,
                    "--json", "-",
                ], environment: model.environment)
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            let members = try #require(document as? [String: Any])
            #expect(members["tokens"] as? Int == 11)
            #expect(members["file"] as? String == path)
            #expect(FileManager.default.fileExists(atPath: path))
            #expect(model.folder.files(under: Self.folderName).isEmpty)
            try expectRefusal(
                ["calibrate", "--model", model.path, "--text", "x", "--output", path], code: 65,
                saying: ["fewer than 2 tokens"], environment: model.environment)
        }

        @Test func `A cache that cannot be written is said to be so`() throws {
            let model = try TinyModelFile()
            try expectRefusal(
                model.arguments(Self.sparse), code: 69, saying: ["cannot write", "/proc/none"],
                environment: ["XDG_CACHE_HOME": "/proc/none"])
            // A dense run needs nothing there.
            let dense = try LaunchTests.start(
                model.arguments(["--json", "-"]), environment: ["XDG_CACHE_HOME": "/proc/none"])
            #expect(dense.ending == .exited(0), "\(dense.errors)")
        }
    }
}
