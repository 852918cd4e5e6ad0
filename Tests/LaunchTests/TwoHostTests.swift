import Foundation
import TestLevels
import Testing

extension LaunchTests {
    /// Workers on a second host, over TCP and RDMA, and the links themselves over an RDMA device:
    /// two guests with a cable between them.
    @Suite(
        .enabled(if: TestLevel.current > .plain, "boots guests: for --ci and --full"),
        .enabled(if: Lab.isReady, Lab.reason))
    struct TwoHostTests {
        private let boot: LabBoot

        init() throws { boot = try LabBoot.twoHosts.get() }

        private func document(_ name: String) throws -> TransportDocument {
            let ending = try boot.ending(of: name)
            #expect(ending.code == 0, "\(name): \(ending.errors)")
            return try TransportDocument(boot.file(name + ".json"))
        }

        @Test func `Both guests end as they should, and leave nothing`() {
            #expect(boot.outcome.ending == .exited(0), "\(boot.outcome.errors)")
            #expect(boot.leftovers.isEmpty)
        }

        @Test(arguments: [1, 2])
        func `No worker and no shared memory stays in a guest`(host: Int) throws {
            #expect(try boot.text("leftovers-\(host).txt") == "")
        }

        @Test(arguments: ["tcp", "rdma"])
        func `Workers on two hosts give the bytes of a local run`(transport: String) throws {
            let found = try document(transport)
            #expect(found.dimms.map(\.host.transport) == Array(repeating: transport, count: 4))
            #expect(found.dimms.map(\.host.hostName) == ["lab1", "lab1", "lab2", "lab2"])
            #expect(
                try withoutHost(boot.file("local.json"))
                    == withoutHost(boot.file(transport + ".json")))
        }

        @Test func `A worker that is killed on the other host is replaced`() throws {
            let found = try document("killed")
            #expect(found.generatedTokens == (try document("local").generatedTokens))
            #expect(found.dimms.map(\.restarts) == [0, 0, 0, 1])
            #expect(found.dimms.map(\.host.transport) == Array(repeating: "rdma", count: 4))
            #expect(found.dimms.map(\.host.hostName) == ["lab1", "lab1", "lab2", "lab2"])
        }

        @Test(.enabled(if: TestLevel.current == .full, "more commands: for --full"))
        func `Neurons that move between hosts give the bytes of a local run`() throws {
            let found = try document("moved")
            #expect(found.migrations.remaps > 0)
            #expect(found.migrations.abortedRemaps == 0)
            #expect(
                try withoutHost(boot.file("still.json")) == withoutHost(boot.file("moved.json")))
        }

        @Test(.enabled(if: TestLevel.current == .full, "cuts the cable: for --full"))
        func `A host that vanishes without a word is missed`() throws {
            let ending = try boot.ending(of: "vanished")
            #expect(ending.code != 0)
            #expect(
                ending.errors.contains("peer is gone: the connection was lost: no answer"),
                "\(ending.errors)")
        }

        /// What `MessageLinkTests` and `RDMATransportTests` say where there is a device.
        @Test func `Links over RDMA are links like all others`() throws {
            let ending = try boot.ending(of: "links")
            let text = try boot.text("links.json") + ending.errors
            #expect(ending.code == 0, "\(text)")
            #expect(
                text.contains("\"Every bit of a header that is turned over is noticed\" with 1")
                    && text.contains("\"A worker says which host it is on\" passed"), "\(text)")
            #expect(!text.contains("needs an RDMA device"), "\(text)")
        }
    }
}
