import CheckedYAML
import ModelCatalogue
import Quantities

extension ComparedSystems {
    /// The only file format that is read so far.
    package static let formatVersion = 1

    /// Reads and validates the file. Every key must be there. The caller reads the file.
    ///
    /// - Parameters:
    ///   - text: YAML, at most 1 MB.
    ///   - fileName: how errors call the text.
    /// - Throws: every problem that was found, by line.
    package static func parse(
        _ text: String, fileName: String
    ) throws(BaselineTimingError) -> ComparedSystems {
        let root = try tree(of: text, fileName: fileName)
        let problems = ProblemList()
        var section = Section(root, problems: problems)
        _ = section.integer("format", in: formatVersion...formatVersion)
        let systems = ComparedSystems(
            hermes: hermes(section.section("hermes")), host: host(section.section("host")),
            accelerate: accelerate(section.section("accelerate")),
            flexGen: flexGen(section.section("flexgen")),
            dejaVu: dejaVu(section.section("dejavu")),
            tensorRTLLM: tensorRTLLM(section.section("tensorrt_llm")))
        section.finish()
        guard problems.isEmpty else { throw .file(problems.sorted) }
        return systems
    }

    static func tree(
        of text: String, fileName: String
    ) throws(BaselineTimingError) -> TreeValue {
        let yaml = YAMLText(text: text) { line in
            line.map { .line($0, file: fileName) } ?? .file(fileName)
        }
        do throws(YAMLError) {
            if let root = try yaml.tree() { return root }
        } catch {
            throw .file(error.problems)
        }
        throw .file([
            YAMLProblem(place: .file(fileName), path: "", rule: "is empty: it has no systems")
        ])
    }

    private static func hermes(_ section: Section) -> Hermes {
        var section = section
        let value = Hermes(
            synchronisationCost: section.quantity("synchronisation", in: Limits.duration),
            cyclesPerMultiplyGroup: section.integer("cycles", in: Limits.cycles),
            loadBalance: section.quantity("load_balance", in: Limits.share),
            computedShare: section.quantity("computed_share", in: Limits.share))
        section.finish()
        return value
    }

    private static func host(_ section: Section) -> Host {
        var section = section
        let value = Host(
            processor: section.text("processor")?.text ?? "",
            memoryCapacity: section.quantity("memory", in: Limits.memory),
            peakBandwidth: section.quantity("bandwidth", in: Limits.bandwidth),
            sparseEfficiency: section.quantity("sparse_efficiency", in: Limits.share),
            keyValueEfficiency: section.quantity("key_value_efficiency", in: Limits.share),
            blockCost: section.quantity("block_cost", in: Limits.duration))
        section.finish()
        return value
    }

    private static func accelerate(_ section: Section) -> Accelerate {
        var section = section
        let value = Accelerate(
            families: families(&section),
            linkBandwidth: section.quantity("link", in: Limits.bandwidth))
        section.finish()
        return value
    }

    private static func flexGen(_ section: Section) -> FlexGen {
        var section = section
        let value = FlexGen(
            families: families(&section),
            linkBandwidth: section.quantity("link", in: Limits.bandwidth))
        section.finish()
        return value
    }

    private static func dejaVu(_ section: Section) -> DejaVu {
        var section = section
        let value = DejaVu(
            families: families(&section),
            fetchedShare: section.quantity("fetched_share", in: Limits.share),
            communicationShare: section.quantity("communication_share", in: Limits.share),
            predictorShare: section.quantity("predictor_share", in: Limits.share))
        section.finish()
        return value
    }

    private static func tensorRTLLM(_ section: Section) -> TensorRTLLM {
        var section = section
        let value = TensorRTLLM(
            families: families(&section), gpuName: section.text("gpu")?.text ?? "",
            gpuCount: section.integer("gpus", in: Limits.gpus),
            memoryCapacity: section.quantity("memory", in: Limits.memory),
            peakBandwidth: section.quantity("bandwidth", in: Limits.bandwidth),
            bandwidthEfficiency: section.quantity("bandwidth_efficiency", in: Limits.share),
            peakComputeRate: section.quantity("compute", in: Limits.computeRate),
            computeEfficiency: section.quantity("compute_efficiency", in: Limits.share),
            allReduceCost: section.quantity("all_reduce", in: Limits.duration))
        section.finish()
        return value
    }

    /// A list of family names, each once; those that are none are reported.
    private static func families(_ section: inout Section) -> [ModelFamily] {
        guard let value = section.required("families"),
            let elements = section.problems.list(value, of: "model families")
        else { return [] }
        let names = ModelFamily.allCases.map(\.rawValue)
        var families: [ModelFamily] = []
        for element in elements {
            guard let text = section.problems.text(of: element) else { continue }
            guard let family = ModelFamily(rawValue: text), !families.contains(family) else {
                let hint = Wording.suggestion(for: text, among: names)
                section.problems.add(
                    element,
                    "'\(Wording.clipped(text))' is no model family, or stands twice\(hint) "
                        + "(known: \(Wording.list(names)))")
                continue
            }
            families.append(family)
        }
        return families
    }
}

/// What counts as absurd: as for topologies, wide enough for any machine one may imagine.
private enum Limits {
    static let memory = ByteCount(1 << 20)...ByteCount(1 << 50)
    static let bandwidth =
        Bandwidth(bytesPerSecond: 1_000_000)...Bandwidth(bytesPerSecond: 1_000_000_000_000_000)
    static let computeRate =
        ComputeRate(
            operationsPerSecond: 1_000_000)...ComputeRate(
            operationsPerSecond: 1_000_000_000_000_000_000)
    static let duration =
        EmulatedDuration
        .zero...EmulatedDuration(
            picoseconds: EmulatedDuration.picosecondsPerSecond)
    static let share = Proportion(millionths: 1)...Proportion.one
    static let cycles = 1...1_000_000
    static let gpus = 1...1_024
}
