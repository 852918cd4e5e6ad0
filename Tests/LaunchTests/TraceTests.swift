import Foundation
import Testing

extension LaunchTests {
    /// The Chrome trace of a run, read back.
    @Suite struct TraceTests {
        private struct Trace: Decodable {
            struct Event: Decodable {
                struct Arguments: Decodable {
                    let name: String?
                    let value: Double?
                }

                let ph: String
                let name: String
                let tid: Int?
                let ts: Double?
                let dur: Double?
                let id: Int?
                let args: Arguments?
            }

            let traceEvents: [Event]
        }

        private struct Totals: Decodable {
            struct Unit: Decodable { let busySeconds: Double }
            struct Link: Decodable {
                let name: String
                let busySeconds: Double
            }

            let dimms: [Unit]
            let links: [Link]
        }

        @Test func `Spans do not overlap, add up to the totals, and arrows point forward`() throws {
            let model = try TinyModelFile()
            let path = model.folder.entry("trace.json")
            let outcome = try model.run(
                ["--topology", "4-dimm", "--trace", path, "--json", "-"])
            try #require(outcome.ending == .exited(0), "\(outcome.errors)")
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let totals = try decoder.decode(Totals.self, from: Data(outcome.output))
            let events = try JSONDecoder().decode(
                Trace.self, from: Data(contentsOf: URL(filePath: path))
            ).traceEvents
            var names: [Int: String] = [:]
            for event in events where event.name == "thread_name" {
                names[event.tid ?? 0] = event.args?.name
            }
            let rings = (0..<4).flatMap { ["ring to DIMM \($0)", "ring from DIMM \($0)"] }
            #expect(Set(names.values).isSuperset(of: rings + ["GPU", "pcie", "DIMM 3"]))

            let spans = Dictionary(grouping: events.filter { $0.ph == "X" }) {
                names[$0.tid ?? 0] ?? "unnamed"
            }
            for (name, spans) in spans { expectApart(spans, name) }
            // Timestamps have six decimals of a microsecond; doubles keep eleven digits here.
            func sum(_ name: String) -> Double {
                (spans[name] ?? []).reduce(0) { $0 + ($1.dur ?? 0) } * 1e-6
            }
            for link in totals.links {
                #expect(abs(sum(link.name) - link.busySeconds) < 1e-9 * link.busySeconds + 1e-11)
            }
            for (index, dimm) in totals.dimms.enumerated() {
                let total = dimm.busySeconds
                #expect(abs(sum("DIMM \(index)") - total) < 1e-9 * total + 1e-11)
            }
            expectFlows(events)
            let depths = events.filter { $0.name.hasSuffix("queue depth") }
            #expect(depths.contains { ($0.args?.value ?? 0) > 1 }, "requests queue")
            #expect(depths.allSatisfy { ($0.args?.value ?? -1) >= 0 })
        }

        private func expectApart(_ spans: [Trace.Event], _ name: String) {
            let ordered = spans.sorted { ($0.ts ?? 0) < ($1.ts ?? 0) }
            for (earlier, later) in zip(ordered, ordered.dropFirst()) {
                let end = (earlier.ts ?? 0) + (earlier.dur ?? 0)
                if (later.ts ?? 0) < end - 2e-6 {
                    Issue.record("\(name): \(later.name) begins before \(earlier.name) ends")
                    return
                }
            }
        }

        /// One start at the request's message, one step at the DIMM, one end at the answer's.
        private func expectFlows(_ events: [Trace.Event]) {
            let flows = Dictionary(grouping: events.filter { "stf".contains($0.ph) }) { $0.id }
            #expect(flows.count > 100)
            for (id, steps) in flows {
                let ordered = steps.sorted { ($0.ts ?? 0) < ($1.ts ?? 0) }
                if ordered.map(\.ph) != ["s", "t", "f"] {
                    Issue.record("flow \(id ?? 0): \(ordered.map(\.ph))")
                    return
                }
            }
        }
    }
}
