import Foundation
import Glibc
import TestLevels
import Testing

extension LaunchTests {
    /// Binding and its proof on four real nodes of a kernel, and the guest's own way to end.
    @Suite(
        .enabled(if: TestLevel.current > .plain, "boots guests: for --ci and --full"),
        .enabled(if: Lab.isReady, Lab.reason))
    struct LabTests {
        /// What `run --json` says of placement.
        private struct PlacedRun: Decodable {
            struct DIMM: Decodable {
                struct Host: Decodable {
                    let pid: Int32
                    let boundNodes: [Int]
                    let node: Int
                    let pagesOnNode: Int
                    let pagesElsewhere: Int
                }

                let index: Int
                let weightBytes: Int
                let host: Host
            }

            let dimms: [DIMM]
        }

        private struct Doctor: Decodable {
            struct Host: Decodable {
                struct Node: Decodable { let distances: [Int] }

                let canRun: Bool
                let nodes: [Node]
            }

            let host: Host
        }

        private static let distances = [
            [10, 21, 31, 21], [21, 10, 21, 31], [31, 21, 10, 21], [21, 31, 21, 10],
        ]
        private static let pageByteCount = 4096

        private let boot: LabBoot

        init() throws { boot = try LabBoot.shared.get() }

        private func decode<Document: Decodable>(
            _ type: Document.Type, _ name: String
        ) throws -> Document {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(type, from: Data(boot.file(name)))
        }

        // MARK: The guest

        @Test func `The guest ends as its script did, with its files, and leaves nothing`() {
            #expect(boot.outcome.ending == .exited(21), "\(boot.outcome.errors)")
            #expect(boot.outcome.text.contains("bound: "), "\(boot.outcome.text)")
            #expect(boot.leftovers.isEmpty)
        }

        @Test func `The guest has the topology's nodes, as far apart as it states`() throws {
            let told = try boot.text("distances").split(separator: "\n").map { line in
                line.split(separator: " ").compactMap { Int($0) }
            }
            #expect(told == Self.distances)
        }

        @Test func `The doctor finds four nodes, and that the topology can run`() throws {
            let ending = try boot.ending(of: "doctor")
            #expect(ending.code == 0, "\(ending.errors)")
            let doctor = try decode(Doctor.self, "doctor.json")
            #expect(doctor.host.canRun)
            #expect(doctor.host.nodes.map(\.distances) == Self.distances)
        }

        // MARK: Placement

        @Test func `Eight workers, two a node, have no page elsewhere by their own account`() throws
        {
            let ending = try boot.ending(of: "bound")
            #expect(ending.code == 0, "\(ending.errors)")
            let run = try decode(PlacedRun.self, "bound.json")
            #expect(run.dimms.map(\.host.boundNodes) == [0, 0, 1, 1, 2, 2, 3, 3].map { [$0] })
            for dimm in run.dimms {
                #expect(dimm.host.pagesElsewhere == 0, "DIMM \(dimm.index)")
                #expect(
                    dimm.host.pagesOnNode * Self.pageByteCount >= dimm.weightBytes,
                    "DIMM \(dimm.index)")
                #expect([dimm.host.node] == dimm.host.boundNodes, "DIMM \(dimm.index)")
            }
        }

        /// Weights and KV cache, side by side, are the only region of that size.
        @Test func `The kernel's own table says the same of every worker`() throws {
            for dimm in try decode(PlacedRun.self, "bound.json").dimms {
                let node = dimm.host.boundNodes[0]
                let maps = NUMAMaps(try boot.text("maps-\(dimm.host.pid)"))
                let pageCount = dimm.weightBytes / Self.pageByteCount
                let places = maps.pageCountByNode(inRegionsFrom: pageCount)
                #expect(Array(places.keys) == [node], "DIMM \(dimm.index): \(places)")
                #expect(places[node, default: 0] >= pageCount, "DIMM \(dimm.index)")
                #expect(
                    maps.regions.contains { $0.policy == "bind:\(node)" }, "DIMM \(dimm.index)")
                let status = try boot.text("status-\(dimm.host.pid)")
                #expect(status.contains("Cpus_allowed_list:\t\(node)\n"), "\(status)")
            }
        }

        // MARK: What must not pass for bound

        @Test func `Binding calls that succeed and do nothing are found out`() throws {
            let ending = try boot.ending(of: "pretended")
            #expect(ending.code == 73, "\(ending.errors)")
            #expect(ending.errors.contains("DIMM 2"), "\(ending.errors)")
        }

        @Test func `Pages that are moved away during the run are found out`() throws {
            let ending = try boot.ending(of: "moved")
            #expect(ending.code == 73, "\(ending.errors)")
            #expect(ending.errors.contains("DIMM 3"), "\(ending.errors)")
        }

        @Test func `A refused call ends the run with its name`() throws {
            let ending = try boot.ending(of: "refused")
            #expect(ending.code == 69, "\(ending.errors)")
            for word in ["NUMA binding", "refused", "Operation not permitted"] {
                #expect(ending.errors.contains(word), "\(ending.errors)")
            }
        }

        @Test func `With best effort a refused call is said loudly, and the run goes on`() throws {
            let ending = try boot.ending(of: "best-effort")
            #expect(ending.code == 0, "\(ending.errors)")
            #expect(ending.errors.contains("set_mempolicy refused"), "\(ending.errors)")
            for dimm in 0..<8 {
                #expect(
                    ending.errors.contains("BINDING REFUSED, DIMM \(dimm)"), "\(ending.errors)")
            }
        }
    }

    /// The guest's other ends; each boots one of its own.
    @Suite(
        .enabled(if: TestLevel.current > .plain, "boots guests: for --ci and --full"),
        .enabled(if: Lab.isReady, Lab.reason))
    struct LabEndTests {
        /// Runs a script in a guest with one node; nothing of it may stay.
        private func run(
            _ script: String, options: [String], code: Int32, saying word: String? = nil,
            disturb: (Launch) -> Void = { _ in }
        ) throws {
            let temporary = try ScratchFolder()
            let results = try ScratchFolder()
            let file = try results.write("script", script)
            let launch = try Lab.launch(
                ["--nodes", "1", "--output", results.path, "--script", file] + options,
                temporary: temporary)
            disturb(launch)
            let outcome = launch.finish(within: .seconds(120))
            #expect(outcome.ending == .exited(code), "\(outcome.errors)")
            if let word { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
            #expect(temporary.files(under: "").isEmpty)
        }

        @Test func `A guest that takes too long is switched off`() throws {
            try run("sleep 1000", options: ["--timeout", "3"], code: 124, saying: "after 3 s")
        }

        @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
        func `A signal ends the guest`(signal: Int32, code: Int32) throws {
            try run("sleep 1000", options: [], code: code) { launch in
                launch.wait(for: "a guest") {
                    ProcessTable.marked(launch.mark).contains { identifier in
                        FileManager.default.contents(atPath: "/proc/\(identifier)/cmdline")?
                            .range(of: Data("qemu-system".utf8)) != nil
                    }
                }
                launch.sendToGroup(signal)
            }
        }

        @Test func `A kernel's panic is told from the command's end`() throws {
            try run(
                "echo c >/proc/sysrq-trigger", options: ["--timeout", "100"], code: 70,
                saying: "the guest broke down")
        }

        @Test(arguments: [
            [], ["--nodes", "0", "doctor"], ["--memory", "much", "doctor"], ["--colour", "doctor"],
            ["--topology", "4-dimm", "--nodes", "2", "doctor"], ["--output", "/nowhere", "doctor"],
        ])
        func `Wrong usage is refused before anything is booted`(arguments: [String]) throws {
            let temporary = try ScratchFolder()
            let outcome = try Lab.launch(arguments, temporary: temporary)
                .finish(within: .seconds(20))
            #expect(outcome.ending == .exited(64), "\(outcome.errors)")
        }
    }
}
