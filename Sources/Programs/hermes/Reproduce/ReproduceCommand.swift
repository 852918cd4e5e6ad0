import ArgumentParser
import Foundation
import Reporting
import Supervision

/// `hermes reproduce`: the paper's evaluation, ours beside the published numbers.
struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce",
        abstract: "The paper's figures, ours beside the published, with errors.",
        discussion: """
            Emulates what figures 9 to 17 and the text of the paper state, each distinct
            run once, and writes a folder: index.html (all of it on one page), points.csv,
            reproduction.json and figures/ as SVG, PNG and gnuplot scripts. An interrupted
            series goes on where it was when it is started again.

            A point that parameters were fitted to is marked "fitted"; all others were held
            out of the fit, though not out of sight when the model's structure was chosen.
            Where the paper contradicts itself, the point says so.

            --quick keeps one sequence (batch 1) of every model on hermes, hermes-host and
            hermes-base, and every batch of the other systems; it generates 16 tokens and
            lets their mean stand for 128. Figures 13 to 16 and the solver's time are left
            out.

            Examples:
              hermes reproduce --quick
              hermes reproduce 9 10 --output opt-and-llama
              hermes reproduce --systems flexgen,dejavu --json -
              hermes reproduce --calibrate

            --calibrate chooses the calibrated values of topology/compared-systems.yaml
            anew, on the fitted half alone, and writes the file to the folder. It emulates
            the fitted points of hermes-host, or takes the answers that the folder has. Errors
            "left-out" are those of each fitted point by what the others would choose.
            """)

    @Argument(help: "Figures: 9 to 17, or text (default: all).")
    var figures: [String] = []

    @Flag(help: "Within a minute: fewer points, fewer tokens.")
    var quick = false

    @Flag(help: "Choose the calibrated values anew on the fitted points, and nothing else.")
    var calibrate = false

    @Option(help: "Only points that need no other systems than these, with commas between.")
    var systems: String?

    @Option(help: "Folder for results; it is made.")
    var output = "hermes-reproduction"

    @Option(help: "Tokens of each prompt.")
    var promptTokens = 128

    @Option(help: "Tokens to generate; their mean stands for 128 (default: 128, quick 16).")
    var tokens: Int?

    @Option(help: "Seed of the synthetic activity.")
    var seed: UInt64 = 0

    @Option(
        help: """
            Emulations at once, each with its part of the cores \
            (default: as many as cores, at most 8).
            """)
    var jobs: Int?

    @Option(help: .hidden)
    var share: String?

    @Flag(inversion: .prefixedNo, help: "Draw the figures (needs gnuplot).")
    var plots = true

    @OptionGroup var options: OutputOptions

    /// What the paper generates, and what its numbers are stated for.
    private static let standardTokenCount = 128
    private static let quickTokenCount = 16

    func validate() throws {
        let known = Set((9...17).map(String.init) + ["text"])
        for figure in figures where !known.contains(figure) {
            throw ValidationError("there is no figure '\(figure)': give 9 to 17, or text")
        }
        guard (1...1024).contains(promptTokens) else {
            throw ValidationError("--prompt-tokens must be 1 to 1024")
        }
        guard (1...64).contains(jobs ?? 1) else {
            throw ValidationError("--jobs must be 1 to 64")
        }
        // The first token is the prefill's: one alone would leave nothing to take a mean of.
        guard (2...Self.standardTokenCount).contains(tokens ?? 2) else {
            throw ValidationError("--tokens must be 2 to \(Self.standardTokenCount)")
        }
        for name in systemNames ?? [] where EmulatedSystem(rawValue: name) == nil {
            throw ValidationError("there is no system '\(name)'")
        }
    }

    private var systemNames: Set<String>? {
        systems.map { Set($0.split(separator: ",").map(String.init)) }
    }

    func run() throws {
        try StopSignals.install()
        if let share { return try help(SeriesClaims(joining: share)) }
        try options.prepare()
        if calibrate { return try calibrateSystems() }
        if plots { try FigureFiles.check() }
        let start = ContinuousClock.now
        let plan = try makePlan()
        let helperCount = helperCount(for: plan.emulations)
        let outcome = try makeSeries(sharesCores: helperCount > 0).run(
            plan.emulations, helperCount: helperCount)
        var results = plan.noResults
        results.answers = outcome.answers
        for fact in plan.facts.sorted(by: { $0.rawValue < $1.rawValue }) {
            try Interruption.check()
            Progress.show("\(fact.rawValue)")
            results.facts[fact] = try ReproductionFacts(seed: seed).value(fact)
            Progress.end()
        }
        let report = ReproductionReport(
            plan: plan, results: results, inputs: try ReproductionInputs.all(), outcome: outcome,
            seed: seed, promptTokenCount: promptTokens, tokenCount: rules.tokenCount,
            seconds: start.duration(to: .now).seconds)
        try report.write(to: output, withFigures: plots)
        if !options.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try options.deliver(report.json())
        Terminal.complain("written: \(output)/index.html")
    }

    private var rules: PointRules {
        PointRules(
            promptTokenCount: promptTokens,
            tokenCount: tokens ?? (quick ? Self.quickTokenCount : Self.standardTokenCount),
            seed: seed)
    }

    private func makePlan() throws -> ReproductionPlan {
        ReproductionPlan(
            table: try Self.publishedTable(), figures: Set(figures), systems: systemNames,
            rules: rules, standardTokenCount: Self.standardTokenCount, isQuick: quick)
    }

    private func helperCount(for emulations: [PlannedEmulation]) -> Int {
        // Each has processes and memory of its own: beyond some, neither is there.
        let jobs = jobs ?? min(8, CPUAvailability.current().usableCoreCount)
        return min(jobs, max(1, emulations.count)) - 1
    }

    private func makeSeries(sharesCores: Bool) throws -> EmulationSeries {
        EmulationSeries(
            backend: .processes(logger: options.logger("hermes"), sharesCores: sharesCores),
            store: try ResultStore(
                folder: output + "/emulations", program: try ModelHash.ofProgram()))
    }

    /// Shares another process's emulations; its report is the other's business.
    private func help(_ claims: SeriesClaims) throws {
        let emulations =
            try calibrate
            ? SystemsCalibration.emulations(Self.publishedTable(), rules) : makePlan().emulations
        try makeSeries(sharesCores: true).runClaimed(emulations, claims)
    }

    private func calibrateSystems() throws {
        let helperCount = helperCount(
            for: try SystemsCalibration.emulations(Self.publishedTable(), rules))
        let calibration = try SystemsCalibration(
            table: try Self.publishedTable(), series: makeSeries(sharesCores: helperCount > 0),
            rules: rules, standardTokenCount: Self.standardTokenCount, helperCount: helperCount)
        let path = output + "/" + ComparedSystemsFile.name
        try WholeFile.write(Array(calibration.text.utf8), to: path)
        if !options.writesJSONToStandardOutput { try Terminal.emit(calibration.report()) }
        try options.deliver(calibration.json())
        Terminal.complain("written: \(path)")
    }

    static func publishedTable() throws -> PublishedTable {
        do {
            return try PublishedTable(String(decoding: PackageResources.paper_csv, as: UTF8.self))
        } catch {
            throw Failure(.internalFault, error.description)
        }
    }
}

/// Figures as files of a folder.
enum FigureFiles {
    /// - Throws: exit 69 if gnuplot cannot be run.
    static func check() throws {
        do throws(ReportingError) {
            try Gnuplot.check()
        } catch {
            throw failure(error)
        }
    }

    /// - Returns: each chart's SVG by its name.
    static func draw(_ charts: [Chart], in folder: String) throws -> [String: String] {
        try WholeFile.prepare(folder + "/x.svg")
        var drawings: [String: String] = [:]
        for chart in charts {
            do throws(ReportingError) {
                drawings[chart.name] = try Gnuplot.draw(chart, in: folder)
            } catch {
                // A signal of the terminal ends gnuplot, too.
                try Interruption.check()
                throw failure(error)
            }
        }
        return drawings
    }

    private static func failure(_ error: ReportingError) -> Failure {
        Failure(.machineLacks, error.description)
    }
}
