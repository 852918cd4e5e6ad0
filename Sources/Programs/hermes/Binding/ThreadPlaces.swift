import Foundation
import NUMABinding
import Supervision

/// Where this process's threads and pages are.
enum ThreadPlaces {
    /// Threads of this process by the node of the CPU that each ran on last.
    static func countByNode() -> [Int: Int] {
        var nodeOfCPU: [Int: Int] = [:]
        for node in NUMAMachine.current.nodes {
            for cpu in node.cpus { nodeOfCPU[cpu] = node.number }
        }
        return lastCPUs().compactMap { nodeOfCPU[$0] }
            .reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    /// The CPU that each thread ran on last.
    private static func lastCPUs() -> [Int] {
        let folder = "/proc/self/task"
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return tasks.compactMap { ProcessStatus(path: "\(folder)/\($0)/stat")?.lastCPU }
    }

    /// Pages of this process that no file stands behind, by node; `nil` where the kernel does not
    /// say. Walks the page tables: for summaries, not for loops.
    static func anonymousPageCountByNode() -> [Int: Int]? {
        guard let text = try? String(contentsOfFile: "/proc/self/numa_maps", encoding: .utf8)
        else { return nil }
        var counts: [Int: Int] = [:]
        for line in text.split(separator: "\n") where !line.contains(" file=") {
            for field in line.split(separator: " ") where field.hasPrefix("N") {
                let parts = field.dropFirst().split(separator: "=")
                guard parts.count == 2, let node = Int(parts[0]), let count = Int(parts[1])
                else { continue }
                counts[node, default: 0] += count
            }
        }
        return counts
    }
}
