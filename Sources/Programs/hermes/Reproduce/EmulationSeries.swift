import Reporting

/// Emulations one after another, with their answers kept.
struct EmulationSeries {
    let backend: EmulationBackend
    let store: ResultStore

    struct Outcome {
        var answers: [PlannedEmulation: EmulationAnswer] = [:]
        var keptCount = 0
        var runCount = 0
        /// Resolved topologies by name and changes, for provenance.
        var topologies: [String: JSONValue] = [:]
    }

    /// Runs what nobody else has claimed, and keeps the answers.
    func runClaimed(_ planned: [PlannedEmulation], _ claims: SeriesClaims) throws {
        defer { Progress.end() }
        for (index, emulation) in planned.enumerated() {
            try Interruption.check()
            let request = try backend.request(emulation)
            let key = store.key(emulation, request)
            guard store.answer(emulation, key: key) == nil, try claims.take(index) else {
                continue
            }
            Progress.show("\(index + 1) of \(planned.count): \(emulation.description)")
            try store.keep(backend.answer(request), emulation, key: key)
        }
    }

    /// - Parameter helperCount: processes that run emulations at the same time as this one.
    /// - Throws: ``Failure`` of the first emulation that fails; those before it are kept.
    func run(_ planned: [PlannedEmulation], helperCount: Int = 0) throws -> Outcome {
        var known = 0
        if helperCount > 0 {
            known = try planned.count {
                store.answer($0, key: store.key($0, try backend.request($0))) != nil
            }
            let helpers = try SeriesHelpers(helperCount, folder: store.folder)
            try runClaimed(planned, helpers.claims)
            try helpers.wait()
        }
        var outcome = try run(planned)
        if helperCount > 0 {
            // What helpers ran was not there before either.
            outcome.runCount += outcome.keptCount - known
            outcome.keptCount = known
        }
        return outcome
    }

    private func run(_ planned: [PlannedEmulation]) throws -> Outcome {
        var outcome = Outcome()
        // All of them first: what names no model or topology fails before the work.
        let requests = try planned.map { try backend.request($0) }
        for remark in try SequenceLength.remarks(requests) {
            Terminal.complain("hermes: \(remark)")
        }
        defer { Progress.end() }
        for (index, (emulation, request)) in zip(planned, requests).enumerated() {
            try Interruption.check()
            Progress.show("\(index + 1) of \(planned.count): \(emulation.description)")
            let name = ([emulation.topology] + emulation.settings).joined(separator: " ")
            outcome.topologies[name] = request.topology.resolvedJSON
            let key = store.key(emulation, request)
            if let answer = store.answer(emulation, key: key) {
                outcome.answers[emulation] = answer
                outcome.keptCount += 1
                continue
            }
            let answer = try backend.answer(request)
            try store.keep(answer, emulation, key: key)
            outcome.answers[emulation] = answer
            outcome.runCount += 1
        }
        return outcome
    }
}

/// One line on a terminal that is written over; nothing elsewhere.
enum Progress {
    static func show(_ text: String) {
        guard Terminal.isErrorTerminal else { return }
        Terminal.mutter("\r\u{1B}[K" + String(text.prefix(100)))
    }

    static func end() {
        guard Terminal.isErrorTerminal else { return }
        Terminal.mutter("\r\u{1B}[K")
    }
}
