import Foundation
import Telemetry
import Testing

@Suite struct BalanceMeterTests {
    /// Two steps of one token on four units, by hand: slowest 40 + 20, sums 100 + 80.
    private func measured() -> BalanceMeter {
        var meter = BalanceMeter(slowdowns: [1, 1, 1, 1])
        meter.addDividedStep(duration: 50, kernel: 10, costs: [40, 30, 20, 10])
        meter.addStep(duration: 7)
        meter.addDividedStep(duration: 30, kernel: 25, costs: [20, 20, 20, 20])
        meter.endLayer()
        meter.endToken()
        meter.addRoundTrip(12)
        return meter
    }

    @Test func `Imbalance, waiting and idle shares are the hand-computed ones`() throws {
        let meter = measured()
        #expect(meter.imbalance == 60.0 * 4 / 180)
        #expect(meter.imbalances == [60.0 * 4 / 180])
        #expect(meter.overPerfect == 60.0 / 45)
        let waiting = try #require(meter.waitingShare)
        #expect((waiting - (1 - 180.0 / 240)).magnitude < 1e-12)
        let idle = try #require(meter.idleShare)
        #expect((idle - (1 - 180.0 / (4 * 87))).magnitude < 1e-12)
    }

    /// Step 1: 50 - max(10, 40) + max(10, 25) = 35; step 2 is bound by the GPU and stays 30.
    @Test func `The bound replaces the slowest unit by perfect division, not the GPU`() {
        let meter = measured()
        #expect(meter.layerTimes.greatest == 87)
        #expect(meter.layerBounds.greatest == 35 + 7 + 30)
    }

    @Test func `Stragglers are the slowest, the lowest of equals`() {
        let meter = measured()
        #expect(meter.stragglerCounts == [2, 0, 0, 0])
        #expect(meter.stragglerExcess == [15, 0, 0, 0])
        #expect(meter.busy == [60, 50, 40, 30])
        #expect(meter.stepCount == 2)
    }

    /// Work 10 each; the second takes twice as long. Perfect: 20 units of work at speed 1.5.
    @Test func `Perfect division gives a slow unit less`() {
        let meter = BalanceMeter(slowdowns: [1, 2])
        #expect(meter.perfectDivision(of: [10, 20]) == 20 / 1.5)
    }

    @Test func `A step without work is no sample`() {
        var meter = BalanceMeter(slowdowns: [1, 1])
        meter.addDividedStep(duration: 5, kernel: 5, costs: [0, 0])
        meter.endLayer()
        meter.endToken()
        #expect(meter.stepCount == 0)
        #expect(meter.imbalance == nil)
        #expect(meter.imbalances.isEmpty)
        #expect(meter.layerTimes.count == 1)
        #expect(meter.layerBounds.greatest == 5)
    }

    @Test func `Counts have an imbalance and no bound`() {
        var meter = BalanceMeter(slowdowns: [1, 1])
        meter.addDividedStep(duration: 100, counts: [3, 1])
        meter.endLayer(isTimed: false)
        meter.endToken()
        #expect(meter.imbalance == 1.5)
        #expect(meter.layerTimes.count == 1)
        #expect(meter.layerBounds.count == 0)
        #expect(meter.idleShare == nil)
    }

    @Test func `Percentiles of tokens are by nearest rank`() {
        var meter = BalanceMeter(slowdowns: [1, 1])
        for most in [1, 2, 3] as [UInt64] {
            meter.addDividedStep(duration: 9, kernel: 0, costs: [most, 1])
            meter.endLayer()
            meter.endToken()
        }
        #expect(meter.imbalance(percentile: 50) == 4.0 / 3)
        #expect(meter.imbalance(percentile: 99) == 1.5)
        #expect(meter.greatestImbalance == 1.5)
    }

    @Test func `Sums and stored copies keep every figure`() throws {
        var sum = measured()
        sum += measured()
        #expect(sum.imbalance == measured().imbalance)
        let data = try JSONEncoder().encode(sum)
        let copy = try JSONDecoder().decode(BalanceMeter.self, from: data)
        for meter in [sum, copy] {
            #expect(meter.stepCount == 4)
            #expect(meter.imbalances == Array(repeating: 60.0 * 4 / 180, count: 2))
            #expect(meter.overPerfect == 60.0 / 45)
            #expect(meter.busy == [120, 100, 80, 60])
            #expect(meter.elapsed == 2 * 87)
            #expect(meter.stragglerCounts == [4, 0, 0, 0])
            #expect(meter.stragglerExcess == [30, 0, 0, 0])
            #expect(meter.layerTimes.count == 2 && meter.layerTimes.greatest == 87)
            #expect(meter.layerBounds.count == 2 && meter.layerBounds.greatest == 72)
            #expect(meter.roundTrips.count == 2 && meter.roundTrips.greatest == 12)
        }
    }
}

@Suite struct TimeHistogramTests {
    @Test func `Percentiles are within a thousandth, ends and mean exact`() throws {
        var times = TimeHistogram()
        for value in 1...10_000 { times.record(UInt64(value) * 1_000) }
        #expect(times.count == 10_000)
        #expect(times.least == 1_000 && times.greatest == 10_000_000)
        #expect(times.mean == 5_000_500)
        for percent in [50, 90, 99, 99.9] {
            let value = Double(try #require(times.percentile(percent)))
            #expect((value / (percent * 100_000) - 1).magnitude < 0.001)
        }
        #expect(times.percentile(100) == 10_000_000)
    }

    @Test func `Nothing recorded is nil, and adds nothing`() {
        var times = TimeHistogram()
        #expect(times.mean == nil && times.percentile(50) == nil)
        var other = TimeHistogram()
        other.record(7)
        other += times
        times += other
        #expect(other.count == 1 && times.percentile(50) == 7)
    }

    @Test func `A stored copy is equal, an empty one too`() throws {
        var times = TimeHistogram()
        for value in [3, 3, 5_000_000_000] as [UInt64] { times.record(value) }
        for histogram in [times, TimeHistogram()] {
            let data = try JSONEncoder().encode(histogram)
            let copy = try JSONDecoder().decode(TimeHistogram.self, from: data)
            #expect(copy.count == histogram.count && copy.mean == histogram.mean)
            #expect(copy.percentile(50) == histogram.percentile(50))
            #expect(copy.greatest == histogram.greatest)
        }
    }
}
