import BaselineTiming
import Foundation
import Quantities
import Reporting
import Topology

/// Answers of emulations as files of a folder, so that an interrupted series goes on where it was.
///
/// A file counts only for the very same program, request, topology and model: all of them stand in
/// its key, in full.
struct ResultStore {
    let folder: String
    /// What the program is: answers of another one are not trusted.
    let program: String
    /// The compared systems' facts, and the text of all of them.
    private let systems: ComparedSystems
    private let systemsText: String

    private struct Record<Answer: Codable>: Codable {
        let key: String
        let answer: Answer
    }

    /// - Throws: exit 69 if the folder cannot be written.
    init(folder: String, program: String) throws {
        self.folder = folder
        self.program = program
        (systems, systemsText, _) = try ComparedSystemsFile.load()
        try WholeFile.prepare(folder + "/x.json")
    }

    /// Everything that the answer depends on.
    func key(_ planned: PlannedEmulation, _ request: EmulationRequest) -> String {
        key(planned.description, request)
    }

    /// - Parameter description: all of the request that is neither model nor topology.
    func key(_ description: String, _ request: EmulationRequest) -> String {
        let topology = request.topology.resolved.map { "\($0.path)=\($0.value)" }
        let parts =
            [program, description, "\(request.model)"] + topology + facts(request.system)
        return parts.joined(separator: "\n")
    }

    /// What a system takes from the compared systems' file: DIMMs and GPU are the topology's.
    private func facts(_ system: EmulatedSystem) -> [String] {
        guard system.runsAsProcesses else { return [systemsText] }
        guard FamilyTraits(system)?.usesHost == true else { return [] }
        let host = systems.host
        return [
            "host \(host.memoryCapacity.bytes) \(host.peakBandwidth.bytesPerSecond) "
                + "\(host.sparseEfficiency.millionths) "
                + "\(host.keyValueEfficiency.millionths) \(host.blockCost.picoseconds)"
        ]
    }

    /// - Returns: `nil` if there is none, or if the file is damaged or of another program.
    func answer(_ planned: PlannedEmulation, key: String) -> EmulationAnswer? {
        answer(named: Self.name(planned), key: key)
    }

    /// - Parameter name: begins the file's name.
    func answer<Answer: Codable>(named name: String, key: String) -> Answer? {
        guard let data = FileManager.default.contents(atPath: path(name, key)),
            let record = try? JSONDecoder().decode(Record<Answer>.self, from: data),
            record.key == key
        else { return nil }
        return record.answer
    }

    func keep(_ answer: EmulationAnswer, _ planned: PlannedEmulation, key: String) throws {
        try keep(answer, named: Self.name(planned), key: key)
    }

    func keep(_ answer: some Codable, named name: String, key: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        let data = try encoder.encode(Record(key: key, answer: answer))
        try WholeFile.write(Array(data), to: path(name, key))
    }

    /// Says what it is, and ends in a checksum of the key (FNV-1a, 64 bits).
    private func path(_ name: String, _ key: String) -> String {
        var checksum: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key.utf8 { checksum = (checksum ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let safe = name.map { $0.isLetter || $0.isNumber || "-.".contains($0) ? $0 : "_" }
        return folder + "/" + String(safe) + String(checksum, radix: 16) + ".json"
    }

    private static func name(_ planned: PlannedEmulation) -> String {
        "\(planned.system)-\(planned.model)-b\(planned.batchSize)-"
    }
}
