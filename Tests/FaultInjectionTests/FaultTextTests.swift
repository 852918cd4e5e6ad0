import FaultInjection
import SeededRandom
import Testing

/// The language of faults: what it says, what it draws, what it refuses.
@Suite struct FaultTextTests {
    private static let extent = FaultText.Extent(tokenCount: 20, layerCount: 6, dimmCount: 4)

    private static func faults(_ text: String, seed: UInt64 = 1) throws -> [Fault] {
        var random = SplitMix64(seed: seed)
        return try FaultText(text).faults(in: extent, &random)
    }

    @Test func `A whole text is read as it stands`() throws {
        let fault = try #require(
            Self.faults("stop:0.5@token=3,layer=2,step=attention,dimm=1,side=request").first)
        #expect(
            fault
                == Fault(
                    .stop, value: 0.5, dimm: 1,
                    point: Fault.Point(token: 3, layer: 2, step: .attention), side: .request))
    }

    @Test(arguments: [
        "kill@dimm=1,token=3,layer=2,step=mlp,side=answer",
        "delay:0.25@dimm=0,token=0,layer=0,step=qkv,side=request",
        "slow:3.0@dimm=3,token=19,layer=5,step=move,side=answer",
    ])
    func `A fault's text gives the fault again`(text: String) throws {
        let fault = try FaultText(text).only()
        #expect(fault.description == text)
        #expect(try Self.faults(text) == [fault])
    }

    @Test func `What is left open is drawn from the seed, inside the run`() throws {
        let first = try Self.faults("kill*200", seed: 9)
        #expect(first.count == 200)
        #expect(try Self.faults("kill*200", seed: 9) == first)
        #expect(try Self.faults("kill*200", seed: 10) != first)
        #expect(Set(first.map(\.dimm)) == [0, 1, 2, 3])
        #expect(Set(first.map(\.point.layer)) == Set(0..<6))
        #expect(first.allSatisfy { (0..<20).contains($0.point.token) })
        #expect(Set(first.map(\.point.step)) == [.qkv, .attention, .mlp])
        #expect(Set(first.map(\.side)) == [.request, .answer])
    }

    @Test func `What is given is not drawn`() throws {
        let faults = try Self.faults("kill*50@dimm=2,step=move")
        #expect(faults.allSatisfy { $0.dimm == 2 && $0.point.step == .move })
        #expect(Set(faults.map(\.point.token)).count > 5)
    }

    @Test(arguments: [
        "", "explode", "kill:3", "delay", "delay:x", "delay:-1", "delay:inf", "kill*0", "kill*x",
        "kill@", "kill@token", "kill@token=", "kill@token=-1", "kill@token=1x", "kill@step=norm",
        "kill@side=left", "kill@where=1", "kill@restart=1", "full-shm@token=1",
        "full-shm@restart=0",
        "kill@token=1,,layer=2", "kill@token=99999999999999999999",
    ])
    func `What makes no sense is refused`(text: String) {
        #expect(throws: FaultTextError.self) { try FaultText(text) }
    }

    @Test(arguments: ["kill@dimm=4", "kill@layer=6", "kill@token=20"])
    func `A place that the run does not have is refused`(text: String) {
        #expect(throws: FaultTextError.self) { try Self.faults(text) }
    }

    @Test func `Points are in the order of a run`() {
        let points: [Fault.Point] = [
            .init(token: 0, layer: 0, step: .qkv), .init(token: 0, layer: 0, step: .attention),
            .init(token: 0, layer: 0, step: .move), .init(token: 0, layer: 0, step: .mlp),
            .init(token: 0, layer: 1, step: .qkv), .init(token: 1, layer: 0, step: .qkv),
        ]
        #expect(points.shuffled().sorted() == points)
    }
}
