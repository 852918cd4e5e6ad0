import Foundation
import Quantities
import Telemetry

/// A timeline as Chrome Trace Event JSON: one track per unit, ring and link, flow arrows from a
/// request's message to the DIMM and on to its answer, counters of link load and queue depth.
///
/// Timestamps are emulated microseconds with picosecond fractions. Source: the Trace Event Format
/// document; Perfetto and chrome://tracing read it.
struct ChromeTrace {
    private let timeline: Timeline
    private let trackNumbers: [String: Int]

    init(_ timeline: Timeline) {
        self.timeline = timeline
        // GPU first, then DIMMs, then rings, then links, each in order of appearance.
        var names: [String] = []
        for kind in [TimelineEvent.Kind.kernel, .request, .message, .transfer] {
            let found = Set(timeline.events.filter { $0.kind == kind }.map(\.unit))
            names += found.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
        }
        trackNumbers = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { ($1, $0 + 1) })
    }

    /// Writes the file.
    func write(to path: String) throws {
        try WholeFile.write(Array(try text().utf8), to: path)
    }

    func text() throws -> String {
        var events: [String] = []
        for (name, track) in trackNumbers.sorted(by: { $0.value < $1.value }) {
            events.append(
                #"{"ph":"M","pid":1,"tid":\#(track),"name":"thread_name","#
                    + #""args":{"name":"\#(name)"}}"#)
            events.append(
                #"{"ph":"M","pid":1,"tid":\#(track),"name":"thread_sort_index","#
                    + #""args":{"sort_index":\#(track)}}"#)
        }
        events += timeline.events.flatMap { spanAndFlow($0) }
        for (name, track) in trackNumbers.sorted(by: { $0.value < $1.value }) {
            events += counters(of: name, track: track)
        }
        return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
            + events.joined(separator: ",\n") + "\n]}\n"
    }

    private func spanAndFlow(_ event: TimelineEvent) -> [String] {
        let track = trackNumbers[event.unit] ?? 0
        let span =
            #"{"ph":"X","pid":1,"tid":\#(track),"name":"\#(event.name)","#
            + #""cat":"\#(event.kind.rawValue)","ts":\#(stamp(event.start)),"#
            + #""dur":\#(stamp(event.end - event.start)),"args":{"token":\#(event.token),"#
            + #""layer":\#(event.layer),"bytes":\#(event.byteCount),"macs":\#(event.macCount),"#
            + #""bound":"\#(event.bound)","rate":"\#(event.rate)"}}"#
        guard event.flow > 0 else { return [span] }
        // The arrow starts at the request's message, touches the DIMM, ends at the answer's.
        let phase: String
        switch event.kind {
        case .request: phase = "t"
        case .message: phase = event.unit.hasPrefix("ring to ") ? "s" : "f"
        case .transfer, .kernel: return [span]
        }
        let flow =
            #"{"ph":"\#(phase)","bp":"e","pid":1,"tid":\#(track),"name":"activation","#
            + #""cat":"flow","id":\#(event.flow),"ts":\#(stamp(event.start))}"#
        return [span, flow]
    }

    /// A link's load in GB/s and how many transfers it has under way or waiting, where they
    /// change.
    private func counters(of name: String, track: Int) -> [String] {
        let transfers = timeline.events.filter { $0.kind == .transfer && $0.unit == name }
        guard !transfers.isEmpty else { return [] }
        return transfers.flatMap { event in
            let picoseconds = (event.end - event.start).picoseconds
            let load = picoseconds == 0 ? 0 : Double(event.byteCount) * 1000 / Double(picoseconds)
            return [
                counter("\(name) GB/s", event.start, load), counter("\(name) GB/s", event.end, 0),
            ]
        } + depth(of: name, transfers)
    }

    private func depth(of name: String, _ transfers: [TimelineEvent]) -> [String] {
        var changes: [(EmulatedTime, Int)] = []
        for transfer in transfers {
            changes.append((transfer.ready, 1))
            changes.append((transfer.end, -1))
        }
        changes.sort { ($0.0, $0.1) < ($1.0, $1.1) }
        var depth = 0
        return changes.map { time, change in
            depth += change
            return counter("\(name) queue depth", time, Double(depth))
        }
    }

    private func counter(_ name: String, _ time: EmulatedTime, _ value: Double) -> String {
        #"{"ph":"C","pid":1,"name":"\#(name)","ts":\#(stamp(time)),"args":{"value":\#(value)}}"#
    }

    private func stamp(_ time: EmulatedTime) -> String { stamp(time.sinceStart) }

    /// Microseconds with all six decimals, so that picoseconds survive.
    private func stamp(_ duration: EmulatedDuration) -> String {
        let (whole, rest) = duration.picoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let digits = String(rest)
        return "\(whole)." + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
