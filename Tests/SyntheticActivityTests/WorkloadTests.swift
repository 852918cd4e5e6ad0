import PackedSets
import SyntheticActivity
import Testing

@Suite struct WorkloadTests {
    private static let shape = ActivityShape(layerCount: 2, neuronCounts: [512, 2048])

    private func sequence(
        _ text: String, seed: UInt64 = 3, shape: ActivityShape = shape
    ) throws -> WorkloadSequence {
        WorkloadSequence(try Workload(parsing: text), shape: shape, seed: seed)
    }

    /// How often each neuron of a block was active, of `tokenCount` tokens.
    private func counts(
        _ sequence: inout WorkloadSequence, layer: Int = 0, block: Int = 1, tokenCount: Int
    ) -> [Int] {
        var counts = Array(repeating: 0, count: sequence.shape.neuronCounts[block])
        for _ in 0..<tokenCount {
            sequence.activeNeurons(layer: layer, block: block).forEachMember { counts[$0] += 1 }
            sequence.advance()
        }
        return counts
    }

    // MARK: Texts

    @Test func `Texts read back as they are written`() throws {
        for text in [
            "uniform", "zipf@exponent=1.5", "drift@density=0.2,rate=0.01",
            "bursts@period=20,duty=0.5", "hot-dimm@dimm=3,share=0.7", "trace@file=a/b.trace",
        ] {
            #expect(try Workload(parsing: text).description == text)
        }
        #expect(try Workload(parsing: "zipf@exponent=1.0").description == "zipf")
    }

    @Test func `In a list a parameter belongs to the workload before it`() throws {
        let list = try Workload.list(parsing: "zipf@exponent=2,density=0.2,uniform,drift@rate=0.1")
        #expect(
            list.map(\.description) == [
                "zipf@density=0.2,exponent=2.0", "uniform", "drift@rate=0.1",
            ])
    }

    @Test(arguments: [
        ("zipfy", "no workload 'zipfy'"), ("", "no workload ''"),
        ("zipf@rate=0.1", "has no 'rate'"), ("zipf@exponent", "has no 'exponent'"),
        ("zipf@exponent=9", "expected a number of 0.0 to 4.0"),
        ("zipf@exponent=nan", "expected a number"), ("bursts@period=2.5", "a whole number"),
        ("trace", "needs file=PATH"), ("trace@density=0.1", "has no 'density'"),
    ])
    func `What is no workload is refused`(text: String, word: String) {
        let error = #expect(throws: WorkloadError.self) { try Workload(parsing: text) }
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }

    // MARK: Statistics

    @Test func `Equal seeds give equal bits, other seeds others, and copies go on alike`() throws {
        for text in ["uniform", "zipf", "drift@rate=0.01", "bursts@period=4"] {
            var one = try sequence(text)
            var other = try sequence(text)
            for _ in 0..<20 { one.advance() }
            var copy = one
            for _ in 0..<20 {
                one.advance()
                copy.advance()
            }
            for _ in 0..<40 { other.advance() }
            let sets = [one, copy, other].map { $0.activeNeurons(layer: 1, block: 1) }
            #expect(sets[0] == sets[1] && sets[0] == sets[2], "\(text)")
            #expect(try sequence(text, seed: 4).activeNeurons(layer: 1, block: 1) != sets[0])
        }
    }

    /// 2048 x 2000 draws, of which one in eight is new: 0.1 within four standard errors.
    @Test func `A uniform load has its density everywhere`() throws {
        var sequence = try sequence("uniform@density=0.1")
        let counts = counts(&sequence, tokenCount: 2000)
        let mean = Double(counts.reduce(0, +)) / 2000 / 2048
        #expect((mean - 0.1).magnitude < 0.002, "\(mean)")
        let quarters = (0..<4).map { quarter in
            counts[512 * quarter..<512 * (quarter + 1)].reduce(0, +)
        }
        for count in quarters {
            #expect((Double(count) / (0.1 * 2000 * 512) - 1).magnitude < 0.04)
        }
    }

    /// The slope of log frequency over log rank, by least squares over the ranks below saturation.
    @Test(arguments: [0.5, 1.0, 1.5])
    func `Frequencies follow Zipf's law with the exponent`(exponent: Double) throws {
        var sequence = try sequence("zipf@exponent=\(exponent),density=0.05,spell=2")
        let counts = counts(&sequence, tokenCount: 4000).sorted(by: >)
        let mean = Double(counts.reduce(0, +)) / 4000 / 2048
        #expect((mean / 0.05 - 1).magnitude < 0.05, "\(mean)")
        // By powers of two: single counts of rare neurons are noise.
        var points: [(x: Double, y: Double)] = []
        var rank = 128
        while 2 * rank <= 2048 {
            let range = counts[rank..<2 * rank]
            points.append((Self.log2(rank), Self.log2(range.reduce(0, +)) - Self.log2(rank)))
            rank *= 2
        }
        let slope =
            (points[points.count - 1].y - points[0].y)
            / (points[points.count - 1].x - points[0].x)
        #expect((slope + exponent).magnitude < 0.08, "\(slope)")
    }

    /// Of an integer, by halves: tests need no C library.
    private static func log2(_ value: Int) -> Double {
        var rest = Double(value)
        var whole = 0.0
        while rest >= 2 {
            rest /= 2
            whole += 1
        }
        var part = 0.5
        for _ in 0..<40 {
            rest *= rest
            if rest >= 2 {
                rest /= 2
                whole += part
            }
            part /= 2
        }
        return whole
    }

    /// Of neurons that are active, 1 - 1/spell x (1 - frequency) still are at the next token.
    @Test(arguments: [1, 4, 16])
    func `Activity lasts for a spell`(spell: Int) throws {
        var sequence = try sequence("uniform@density=0.2,spell=\(spell)")
        var (before, stayed) = (0, 0)
        for _ in 0..<400 {
            let old = sequence.activeNeurons(layer: 0, block: 1)
            sequence.advance()
            before += old.memberCount
            stayed += old.intersectionCount(sequence.activeNeurons(layer: 0, block: 1))
        }
        let expected = 1 - 0.8 / Double(spell)
        #expect((Double(stayed) / Double(before) - expected).magnitude < 0.01)
    }

    @Test func `Neighbouring ranks are neighbours in clusters, elsewhere in every layer`() throws {
        let sequence = try sequence("zipf@clusters=32")
        let frequencies = (0..<2).map { sequence.expectedFrequencies(layer: $0, block: 1) }
        #expect(frequencies[0] != frequencies[1])
        #expect(frequencies[0].sorted() == frequencies[1].sorted())
        let rises = zip(frequencies[0], frequencies[0].dropFirst()).count { $0 < $1 }
        #expect((10...31).contains(rises), "falls within each of 32 clusters: \(rises)")
        let sorted = try self.sequence("zipf@clusters=1").expectedFrequencies(layer: 0, block: 1)
        #expect(sorted == sorted.sorted(by: >))
    }

    /// At a rate of 1/64 of 2048 neurons, 32 a token, and round after 64.
    @Test func `Drift moves frequencies by its rate, round the end`() throws {
        var sequence = try sequence("drift@rate=0.015625")
        let start = sequence.expectedFrequencies(layer: 0, block: 1)
        for token in 1...64 {
            sequence.advance()
            let now = sequence.expectedFrequencies(layer: 0, block: 1)
            let expected = (0..<2048).map { start[($0 + 2048 - 32 * token % 2048) % 2048] }
            #expect(now == expected, "token \(token)")
        }
        #expect(sequence.expectedFrequencies(layer: 0, block: 1) == start)
    }

    @Test func `Bursts have their duty, width and level`() throws {
        var sequence = try sequence(
            "bursts@density=0.001,exponent=0,period=10,duty=0.3,width=0.25,level=0.5")
        var burstTokens: [Int] = []
        for token in 0..<200 {
            let active = sequence.activeNeurons(layer: 1, block: 1)
            if sequence.isBursting {
                burstTokens.append(token)
                // 512 neighbours, half of them, within four standard deviations of 11.3.
                #expect((210...302).contains(active.memberCount), "\(active.memberCount)")
            } else {
                #expect(active.memberCount < 20)
            }
            sequence.advance()
        }
        #expect(burstTokens.count == 60)
        #expect(burstTokens.allSatisfy { $0 % 10 >= 7 })
    }

    @Test func `A burst that never ends is there from the first token`() throws {
        var sequence = try sequence(
            "bursts@density=0.001,exponent=0,period=10,duty=1,width=0.25,level=0.5")
        for _ in 0..<12 {
            #expect(sequence.isBursting)
            #expect(sequence.activeNeurons(layer: 0, block: 1).memberCount > 200)
            sequence.advance()
        }
    }

    @Test func `A hot DIMM gets its share from the first token after the prompt`() throws {
        var sequence = try sequence("hot-dimm@dimm=2,share=0.5,density=0.1")
        let homes = (0..<2).map { _ in
            [512, 2048].map { count in (0..<count).map { UInt16(8 * $0 / count) } }
        }
        let hot = (0..<2).map { _ in
            [512, 2048].map { PackedSet(elementCount: $0, members: stride(from: 0, to: $0, by: 5)) }
        }
        sequence.aim(homes: homes, hot: hot, from: 100)
        func share(_ counts: [Int]) -> Double {
            let cold = counts.indices.filter { !hot[0][1].contains($0) }
            let onTarget = cold.filter { homes[0][1][$0] == 2 }.reduce(0) { $0 + counts[$1] }
            return Double(onTarget) / Double(cold.reduce(0) { $0 + counts[$1] })
        }
        let before = share(counts(&sequence, tokenCount: 100))
        #expect((before - 0.125).magnitude < 0.02, "\(before)")
        let first = share(counts(&sequence, tokenCount: 1))
        #expect((first - 0.5).magnitude < 0.15, "\(first)")
        let after = counts(&sequence, tokenCount: 1000)
        #expect((share(after) - 0.5).magnitude < 0.02, "\(share(after))")
        let mean = Double(after.reduce(0, +)) / 1000 / 2048
        #expect((mean - 0.1).magnitude < 0.005, "the density stays: \(mean)")
    }

    /// A share of 1 would need 0.9 x 4 of the quarter's neurons.
    @Test func `A share that no DIMM can hold is cut to all of its neurons`() throws {
        var sequence = try sequence("hot-dimm@share=1,density=0.9,spell=1")
        let homes = (0..<2).map { _ in
            [512, 2048].map { count in (0..<count).map { UInt16($0 % 4) } }
        }
        let none = (0..<2).map { _ in [512, 2048].map { PackedSet(elementCount: $0) } }
        sequence.aim(homes: homes, hot: none, from: 1)
        sequence.advance()
        let active = sequence.activeNeurons(layer: 0, block: 1)
        #expect(active.members.count { $0 % 4 == 0 } == 512)
        #expect((Double(active.memberCount) / 2048 - 0.9).magnitude < 0.03)
    }

    @Test func `Blocks that do not fill a word stay within their size`() throws {
        let shape = ActivityShape(layerCount: 1, neuronCounts: [70, 1])
        var sequence = try sequence("bursts@density=0.9,width=0.5,level=1", shape: shape)
        for _ in 0..<40 {
            sequence.advance()
            for block in 0..<2 {
                let active = sequence.activeNeurons(layer: 0, block: block)
                #expect(active.members.allSatisfy { $0 < shape.neuronCounts[block] })
            }
        }
    }
}
