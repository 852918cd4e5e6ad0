import NUMABinding
import NodeMeasurement
import Testing

@Suite struct SamplesTests {
    @Test(
        arguments: [
            ([3], 3, 0), ([1, 2], 1.5, 1.0 / 3), ([5, 1, 3], 3, 2.0 / 3), ([2, 2, 2, 2], 2, 0),
        ] as [([Double], Double, Double)])
    func `The middle and half the range are told, whatever the order`(
        values: [Double], median: Double, spread: Double
    ) {
        let samples = Samples(values)
        #expect(samples.median == median)
        #expect(abs(samples.relativeSpread - spread) < 1e-12)
        #expect(samples.count == values.count)
        #expect(samples.lowest == values.min() && samples.highest == values.max())
    }

    @Test func `Without a sample there is no median`() async {
        await #expect(processExitsWith: .failure) { _ = Samples([]) }
    }
}

@Suite struct MemoryWalkTests {
    @Test(arguments: [2, 3, 64, 1001])
    func `A chase goes through every line once and comes back`(lineCount: Int) throws {
        let walk = try MemoryWalk.create(
            byteCount: lineCount * MemoryWalk.lineByteCount, policy: nil, seed: 7)
        var line = 0
        var seen: Set<Int> = []
        for _ in 0..<lineCount {
            line = walk.chase(stepCount: 1, from: line)
            seen.insert(line)
        }
        #expect(line == 0 && seen.count == lineCount)
        #expect(walk.chase(stepCount: lineCount) == 0)
    }

    @Test(arguments: [2, 3, 4, 4097])
    func `A stream reads every line`(lineCount: Int) throws {
        let walk = try MemoryWalk.create(
            byteCount: lineCount * MemoryWalk.lineByteCount, policy: nil, seed: 1)
        #expect(walk.readAll() == walk.expectedSum)
    }

    @Test func `Memory lies where its policy says`() throws {
        let node = try #require(NUMAMachine.current.allowedNodes.first)
        let walk = try MemoryWalk.create(byteCount: 1 << 20, policy: .bind([node]), seed: 1)
        let placement = try walk.placement()
        #expect(placement.pageCount(elsewhereThan: [node]) == 0)
        #expect((placement.pageCountByNode[node] ?? 0) > 0)
    }
}
