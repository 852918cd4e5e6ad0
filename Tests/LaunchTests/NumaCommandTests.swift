import Foundation
import Testing

extension LaunchTests {
    /// `numa` on whatever machine this is, modelled nodes, and topologies that are synthesized.
    @Suite struct NumaCommandTests {
        private func host(of outcome: Outcome) throws -> [String: Any] {
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            return try #require((document as? [String: Any])?["host"] as? [String: Any])
        }

        @Test func `The matrix has every pair of nodes, and says what it cannot show`() throws {
            let outcome = try LaunchTests.start([
                "numa", "--parts", "matrix", "--rounds", "1", "--megabytes", "8", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let host = try host(of: outcome)
            let nodes = try #require(host["nodes"] as? [Int])
            let matrix = try #require(host["matrix"] as? [[String: Any]])
            #expect(matrix.count == nodes.count * nodes.count)
            for cell in matrix {
                #expect(cell["pages_elsewhere"] as? Int == 0)
                let rate = (cell["bytes_per_second"] as? [String: Any])?["median"] as? Double
                #expect((rate ?? 0) > 1e6)
            }
            let rings = try #require(host["rings"] as? [[String: Any]])
            #expect(rings.count == nodes.count * (nodes.count + 1) / 2)
            let limits = try #require(host["not_shown"] as? [String])
            #expect(limits.isEmpty == (nodes.count > 1))
            #expect(host["basis"] as? String == "measured")
        }

        @Test func `The kernel is measured for all workers, rows and placements`() throws {
            let outcome = try LaunchTests.start([
                "numa", "--parts", "kernel", "--rounds", "1", "--workers", "1,2", "--rows",
                "1,0.1", "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let host = try host(of: outcome)
            let nodes = try #require(host["nodes"] as? [Int])
            let cells = try #require(host["kernel"] as? [[String: Any]])
            #expect(cells.count == (nodes.count > 1 ? 4 : 3) * 2 * 2)
            for cell in cells where cell["placement"] as? String == "local" {
                #expect(cell["slowdown"] as? Double == 1)
            }
            func bytes(rows: Double) -> Int? {
                cells.first { $0["active_share"] as? Double == rows }?["bytes"] as? Int
            }
            let dense = try #require(bytes(rows: 1))
            let sparse = try #require(bytes(rows: 0.1))
            #expect(sparse < dense / 9 && sparse > dense / 11)
        }

        @Test func `Whole runs are compared by placement, and figures are drawn`() throws {
            let folder = try ScratchFolder()
            let outcome = try LaunchTests.start([
                "numa", "--parts", "runs", "--rounds", "1", "--topology", "1-dimm", "--tokens", "4",
                "--placements", "local,interleaved", "--json", "-", "--figures",
                folder.path + "/figures",
            ])
            let host = try host(of: outcome)
            let runs = try #require(host["runs"] as? [[String: Any]])
            #expect(runs.map { $0["placement"] as? String } == ["local", "interleaved"])
            #expect(runs.allSatisfy { $0["pages_elsewhere"] as? Int == 0 })
            // Without gnuplot the results are there all the same, and it is said what is missing.
            if outcome.ending == .exited(69) {
                #expect(outcome.errors.contains("gnuplot"))
            } else {
                #expect(outcome.ending == .exited(0), "\(outcome.errors)")
                let figure = try String(
                    contentsOfFile: folder.path + "/figures/runs.svg", encoding: .utf8)
                #expect(figure.contains("<svg") && figure.contains("</svg>"))
            }
        }

        @Test(arguments: ["virtual", "paced"])
        func `Sockets that are not here are modelled, and labelled so`(clock: String) throws {
            let outcome = try LaunchTests.start([
                "run", "--topology", "two-socket-8dimm", "--clock", clock, "--tokens", "2", "--raw",
                "--prompt", "The", "--set", "channels.7.node=1", "--overrun-limit", "1",
                "--json", "-",
            ])
            #expect(outcome.ending == .exited(0), "\(outcome.errors)")
            let document = try JSONSerialization.jsonObject(with: Data(outcome.output))
            let links = try #require((document as? [String: Any])?["links"] as? [[String: Any]])
            let crossing = try #require(links.first { $0["name"] as? String == "interconnect 0-1" })
            #expect((crossing["bytes"] as? Int ?? 0) > 0)
            // 10/21 of 102.4 GB/s.
            #expect(crossing["cap_bytes_per_second"] as? Int == 48_761_904_761)
            let host = try host(of: outcome)
            let numa = try #require(host["numa"] as? [String: Any])
            let isHere = (numa["nodes"] as? Int ?? 0) > 1
            #expect(numa["basis"] as? String == (isHere ? "measured" : "modelled"))
            #expect(outcome.errors.contains("modelled") != isHere)
        }
    }
}
