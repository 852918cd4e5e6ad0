import Foundation
import NUMABinding
import Supervision
import Topology

/// Where a result comes from: enough to make it again.
enum Provenance {
    static let version = "0.1.0"

    /// The git revision; launch/hermes passes it, so that a commit needs no rebuild.
    static var revision: String {
        ProcessInfo.processInfo.environment["HERMES_REVISION"] ?? "unknown"
    }

    static var versionLine: String { "\(version) (revision \(revision))" }

    /// The program alone, for results that no topology enters.
    static var program: JSONValue {
        ["version": .string(version), "revision": .string(revision)]
    }

    /// The part that equal runs share.
    static func record(topology: Topology, topologyPath: String) -> JSONValue {
        .object([
            "version": .string(version),
            "revision": .string(revision),
            "topology": .object([
                "name": .string(topology.name),
                "resolved": topology.resolvedJSON,
            ]),
        ])
    }

    /// The part that depends on the machine and the moment.
    static func hostRecord(topologyPath: String) -> JSONValue {
        var facts = utsname()
        let isKnown = unsafe uname(&facts) == 0
        let cpus = CPUAvailability.current()
        return .object([
            "topology_file": .string(topologyPath),
            "allowed_cpus": .integer(cpus.allowedCPUCount),
            "usable_cores": .integer(cpus.usableCoreCount),
            "processor": .string(processorName()),
            "numa_nodes": .array(NUMAMachine.current.nodeNumbers.map { .integer($0) }),
            "kernel": isKnown
                ? .string(unsafe text(&facts.release)) : .null,
            "date": .string(ISO8601DateFormatter().string(from: Date())),
        ])
    }

    private static func processorName() -> String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        for line in lines.split(separator: "\n") where line.hasPrefix("model name") {
            return line.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
        }
        return "unknown"
    }

    /// A C string in a fixed-size field.
    @unsafe
    private static func text<Field>(_ field: inout Field) -> String {
        unsafe withUnsafeBytes(of: &field) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
