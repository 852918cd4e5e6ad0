import BaselineTiming
import ModelCatalogue
import Quantities
import Testing

@Suite struct ComparedSystemsTests {
    private static func problems(of text: String) -> [String] {
        do throws(BaselineTimingError) {
            _ = try ComparedSystems.parse(text, fileName: "c.yaml")
            Issue.record("accepted: \(text.prefix(200))")
            return []
        } catch {
            return error.description.split(separator: "\n").map(String.init)
        }
    }

    @Test func `The shipped file has the facts of its sources`() throws {
        let systems = try Shipped.systems()
        #expect(systems.host.peakBandwidth.bytesPerSecond == 89_600_000_000)
        #expect(systems.tensorRTLLM.gpuCount == 5)
        #expect(systems.tensorRTLLM.effectiveBandwidth.bytesPerSecond == 1_244_000_000_000)
        #expect(
            systems.tensorRTLLM.effectiveComputeRate.operationsPerSecond == 156_000_000_000_000)
        #expect(systems.flexGen.families == [.opt])
        #expect(systems.dejaVu.families == [.opt])
        #expect(systems.accelerate.families == ModelFamily.allCases)
    }

    @Test func `Values written into the file read back, and nothing else changes`() throws {
        let text = try Shipped.text("compared-systems.yaml")
        var systems = try Shipped.systems()
        #expect(try systems.written(into: text, fileName: "c.yaml") == text)
        systems.hermes.cyclesPerMultiplyGroup = 31
        systems.host.blockCost = EmulatedDuration(picoseconds: 1_234_567_000)
        systems.dejaVu.fetchedShare = Proportion(millionths: 250_000)
        systems.flexGen.linkBandwidth = Bandwidth(bytesPerSecond: 7_500_000_000)
        systems.accelerate.linkBandwidth = Bandwidth(bytesPerSecond: 2_250_000_000)
        let written = try systems.written(into: text, fileName: "c.yaml")
        #expect(try ComparedSystems.parse(written, fileName: "c.yaml") == systems)
        let old = text.split(separator: "\n", omittingEmptySubsequences: false)
        let new = written.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(old.count == new.count)
        let changed = zip(old, new).filter { $0 != $1 }
        #expect(changed.count == 5)
        for (before, after) in changed {
            #expect(before.drop { $0 != "#" } == after.drop { $0 != "#" })
        }
    }

    @Test func `A calibrated value that shares its line cannot be written`() throws {
        let text = try Shipped.text("compared-systems.yaml")
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let link = lines.filter { !$0.hasPrefix("  link:") && !$0.hasPrefix("accelerate:") }
            .filter { !$0.hasPrefix("  families: [opt, llama2, falcon]  # paper") }
        let flow =
            link.joined(separator: "\n").replacing(
                "flexgen:", with: "accelerate: { families: [opt], link: 1 GB/s }\nflexgen:"
            )
            .replacing(
                "  families: [opt]                # paper and FlexGen",
                with: """
                      link: 1 GB/s
                      families: [opt]  # paper and FlexGen
                    """)
        let systems = try ComparedSystems.parse(flow, fileName: "c.yaml")
        #expect(throws: BaselineTimingError.self) {
            try systems.written(into: flow, fileName: "c.yaml")
        }
    }

    @Test(arguments: [
        ("gpus: 5 ", "gpus: 0 ", "tensorrt_llm.gpus: '0' is outside 1 to 1024"),
        ("cycles: 27", "cycles: 2.5", "hermes.cycles: '2.5' is not a whole number"),
        ("memory: 40 GB", "memory: 40", "tensorrt_llm.memory: '40' has no unit"),
        ("memory: 192 GB", "memori: 192 GB", "host.memory: is missing"),
        (
            "families: [opt] ", "families: [otp] ",
            "families.0: 'otp' is no model family, or stands twice; did you mean 'opt'?"
        ),
        (
            "families: [opt] ", "families: [opt, opt] ",
            "families.1: 'opt' is no model family, or stands twice"
        ),
        ("families: [opt] ", "families: opt ", "must be a list of model families"),
        ("predictor_share: 0.181", "predictor_share: 18", "dejavu.predictor_share: '18'"),
        ("format: 1", "format: 3", "format: '3' is outside 1 to 1"),
    ])
    func `What breaks a rule is named with its key`(
        line: String, replacement: String, expected: String
    ) throws {
        let text = try Shipped.text("compared-systems.yaml").replacing(line, with: replacement)
        let found = Self.problems(of: text)
        #expect(found.contains { $0.contains(expected) && $0.hasPrefix("c.yaml:") })
    }

    @Test(arguments: ["", "# nothing"])
    func `A file without systems is refused`(text: String) {
        #expect(Self.problems(of: text) == ["c.yaml: is empty: it has no systems"])
    }
}
