import ModelCatalogue
import Quantities
import SyntheticActivity
import Testing

/// Frequencies and parents, before anything is drawn.
@Suite struct ActivityProcessTests {
    static let neuronCounts = [0, 1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 1000, 4096]

    private func statistics(
        density: UInt64 = 190_000, frequentShare: UInt64 = 430_000, spell: Int = 8,
        context: Int = 1024, upsets: Int = 24
    ) -> ActivityStatistics {
        ActivityStatistics(
            density: Proportion(millionths: density),
            frequentShare: Proportion(millionths: frequentShare),
            contextShare: Proportion(millionths: 700_000), longestSpell: spell,
            longestContext: context, upsetsPer256: upsets)
    }

    private func error(of statistics: ActivityStatistics) -> ActivityError? {
        do {
            _ = try ActivityProcess(
                shape: ActivityShape(layerCount: 1, neuronCounts: [64]), statistics: statistics,
                seed: 1)
            return nil
        } catch {
            return error
        }
    }

    /// The concentrations at which Beta distributions of these means carry 80 %, and the frequency
    /// that the given share of the neurons exceeds: SciPy 1.x, `brentq` over `betainc`.
    @Test(arguments: [
        (ModelFamily.opt, 1.415254, 0.05, 0.577640), (.llama2, 3.920758, 0.20, 0.329295),
        (.falcon, 0.594807, 0.10, 0.804313),
    ])
    func `Frequencies follow the Beta distribution that an independent program finds`(
        family: ModelFamily, concentration: Double, share: Double, quantile: Double
    ) throws {
        let neuronCount = 65_536
        let process = try ActivityProcess(
            shape: ActivityShape(layerCount: 1, neuronCounts: [neuronCount]),
            statistics: family.statistics(), seed: 9)
        #expect(abs(process.concentration / concentration - 1) < 0.0001)
        let sorted = process.expectedFrequencies(layer: 0, block: 0).sorted(by: >)
        #expect(abs(sorted[Int(share * Double(neuronCount))] - quantile) < 0.001)
    }

    @Test func `Every layer has the same frequencies, elsewhere`() throws {
        let process = try ActivityProcess(
            shape: ActivityShape(layerCount: 3, neuronCounts: [256, 1000]),
            statistics: ModelFamily.opt.statistics(), seed: 4)
        for block in 0..<2 {
            let first = process.expectedFrequencies(layer: 0, block: block)
            for layer in 1..<3 {
                let other = process.expectedFrequencies(layer: layer, block: block)
                let isSame = other == first
                let isShuffled = other.sorted() == first.sorted()
                #expect(isShuffled && !isSame)
            }
        }
    }

    @Test(arguments: neuronCounts)
    func `Parents are a pair of the previous layer with the child's frequency`(
        neuronCount: Int
    ) throws {
        let process = try ActivityProcess(
            shape: ActivityShape(layerCount: 3, neuronCounts: [neuronCount]),
            statistics: ModelFamily.llama2.statistics(), seed: 2)
        var childCounts = [Int](repeating: 0, count: neuronCount)
        for neuron in 0..<neuronCount {
            #expect(process.parents(layer: 0, block: 0, neuron: neuron).isEmpty)
            let frequency = process.expectedFrequency(layer: 2, block: 0, neuron: neuron)
            let parents = process.parents(layer: 2, block: 0, neuron: neuron)
            if !(1...2).contains(parents.count) || parents != Array(Set(parents)).sorted() {
                Issue.record("neuron \(neuron) has parents \(parents)")
            }
            for parent in parents {
                childCounts[parent] += 1
                if process.expectedFrequency(layer: 1, block: 0, neuron: parent) != frequency {
                    Issue.record("neuron \(neuron) and parent \(parent) differ in frequency")
                }
            }
        }
        // Pairs have pairs of children; only the neurons without a partner have one.
        let incomplete = childCounts.filter { $0 == 1 }.count
        #expect(childCounts.allSatisfy { $0 == 1 || $0 == 2 })
        let wordCount = (neuronCount + 63) / 64
        let missing = 128 * ((wordCount + 1) / 2) - neuronCount
        #expect(incomplete == (neuronCount <= 64 ? neuronCount : missing))
    }

    @Test func `The seed decides who is frequent`() throws {
        func frequencies(seed: UInt64) throws -> [Double] {
            try ActivityProcess(
                shape: ActivityShape(layerCount: 1, neuronCounts: [512]),
                statistics: ModelFamily.opt.statistics(), seed: seed
            ).expectedFrequencies(layer: 0, block: 0)
        }
        let first = try frequencies(seed: 1)
        let second = try frequencies(seed: 2)
        let isRepeatable = try frequencies(seed: 1) == first
        let isShuffled = second.sorted() == first.sorted()
        let isSame = second == first
        #expect(isRepeatable && isShuffled && !isSame)
    }

    @Test func `Statistics out of range are refused by name`() {
        #expect(error(of: statistics()) == nil)
        #expect(error(of: statistics(density: 0)) == .density(.zero))
        #expect(error(of: statistics(density: 1_000_000)) == .density(.one))
        for length in [0, -1, 65_536] {
            #expect(error(of: statistics(spell: length)) == .spell(length))
            #expect(error(of: statistics(context: length)) == .context(length))
        }
        for length in [1, 65_535] {
            #expect(error(of: statistics(spell: length, context: length)) == nil)
        }
        for count in [-1, 256] { #expect(error(of: statistics(upsets: count)) == .upsets(count)) }
        for count in [0, 255] { #expect(error(of: statistics(upsets: count)) == nil) }
    }

    /// 80 % of a mean of 0.19 takes at least 0.152 of the neurons, at most 0.8 of them.
    @Test(arguments: [
        (0, false), (150_000, false), (170_000, true), (730_000, true), (800_000, false),
    ])
    func `A frequent share that no Beta distribution has is refused`(
        share: UInt64, isPossible: Bool
    ) {
        let refusal = ActivityError.frequentShare(
            Proportion(millionths: share), density: Proportion(millionths: 190_000))
        #expect(error(of: statistics(frequentShare: share)) == (isPossible ? nil : refusal))
    }

    /// Nearly equal frequencies leave the ends of the distribution empty: no mean may come of that.
    @Test(arguments: [
        (500_000, 780_000), (450_000, 750_000), (900_000, 795_000), (20_000, 100_000),
    ])
    func `Frequencies close to each other have their mean, too`(
        density: UInt64, share: UInt64
    ) throws {
        let process: ActivityProcess
        do throws(ActivityError) {
            process = try ActivityProcess(
                shape: ActivityShape(layerCount: 1, neuronCounts: [512]),
                statistics: statistics(density: density, frequentShare: share), seed: 1)
        } catch {
            // Refused by name is as good.
            #expect(
                error
                    == .frequentShare(
                        Proportion(millionths: share), density: Proportion(millionths: density)))
            return
        }
        let frequencies = process.expectedFrequencies(layer: 0, block: 0)
        #expect(frequencies.allSatisfy { $0 >= 0 && $0 <= 1 })
        let mean = frequencies.reduce(0, +) / 512
        #expect(abs(mean / (Double(density) * 1e-6) - 1) < 0.01)
    }

    @Test func `Messages name the parameter and its range`() {
        let half = Proportion(millionths: 500_000)
        #expect(
            "\(ActivityError.density(.one))"
                == "activity statistics: a density of 1 is not between 0 and 1")
        #expect(
            "\(ActivityError.frequentShare(half, density: .one))".contains(
                "at a density of 1 no Beta distribution lets a share of 0.5 carry 80 %"))
        #expect(
            "\(ActivityError.spell(0))"
                == "activity statistics: a longest spell of 0 tokens is not 1 to 65535")
        #expect(
            "\(ActivityError.context(0))"
                == "activity statistics: a longest context of 0 tokens is not 1 to 65535")
        #expect(
            "\(ActivityError.upsets(256))"
                == "activity statistics: 256 upsets of 256 are not 0 to 255")
    }
}
