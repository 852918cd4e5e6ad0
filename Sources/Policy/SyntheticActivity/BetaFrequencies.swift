/// The Beta distribution of activation frequencies, as a table of cells.
///
/// Built from the four operations and the square root only, which IEEE 754 fixes to the bit: the
/// same parameters give the same frequencies on any machine, which `exp`, `log` and `pow` of a C
/// library would not.
struct BetaFrequencies {
    /// Probability of each cell, up to one common factor, and the same times the frequency there;
    /// ascending frequencies, [cells].
    private var masses: [Double] = []
    private var moments: [Double] = []
    private var totalMass = 0.0
    private var totalMoment = 0.0

    /// - Parameters:
    ///   - mean: the mean frequency, above 0 and below 1.
    ///   - concentration: the sum of the two shape parameters.
    ///   - cellCount: cells per half of the interval; the error falls with their square.
    init(mean: Double, concentration: Double, cellCount: Int) {
        let low = mean * concentration
        let high = (1 - mean) * concentration
        masses.reserveCapacity(2 * cellCount)
        moments.reserveCapacity(2 * cellCount)
        for cell in 0..<cellCount {
            let (x, mass) = Self.cell(cell, of: cellCount, near: low, far: high)
            append(mass: mass, frequency: x)
        }
        for cell in (0..<cellCount).reversed() {
            let (x, mass) = Self.cell(cell, of: cellCount, near: high, far: low)
            append(mass: mass, frequency: 1 - x)
        }
    }

    /// A cell of the half next to the end with shape parameter `near`: distance from that end and
    /// probability.
    ///
    /// The density has a pole at that end where `near < 1`. In u = x^near the pole is gone.
    private static func cell(
        _ index: Int, of cellCount: Int, near: Double, far: Double
    ) -> (distance: Double, mass: Double) {
        let exponent = min(near, 1)
        let width = power(0.5, exponent) / Double(cellCount)
        let u = (Double(index) + 0.5) * width
        let x = power(u, 1 / exponent)
        let density = power(u, near / exponent - 1) * power(1 - x, far - 1)
        return (x, density * width / exponent)
    }

    private mutating func append(mass: Double, frequency: Double) {
        // Where both shape parameters are large, the ends have less than the least number.
        guard mass > 0 else { return }
        masses.append(mass)
        moments.append(mass * frequency)
        totalMass += mass
        totalMoment += mass * frequency
    }

    /// As the table has it; the distribution's mean but for the error of the cells.
    var mean: Double { totalMoment / totalMass }

    /// The share of all activations that the most frequent `share` of the neurons carry.
    func carried(byMostFrequent share: Double) -> Double {
        var missing = share * totalMass
        var moment = 0.0
        for cell in masses.indices.reversed() {
            if masses[cell] >= missing {
                return (moment + moments[cell] * missing / masses[cell]) / totalMoment
            }
            missing -= masses[cell]
            moment += moments[cell]
        }
        return 1
    }

    /// Frequencies of `count` neurons, ascending: the means of `count` equally probable parts, so
    /// that their mean is the distribution's for any count.
    func stratified(count: Int) -> [Double] {
        var frequencies: [Double] = []
        frequencies.reserveCapacity(count)
        var cell = 0
        var restOfCell = masses[0]
        let partMass = totalMass / Double(count)
        for _ in 0..<count {
            var missing = partMass
            var moment = 0.0
            while missing > restOfCell, cell + 1 < masses.count {
                missing -= restOfCell
                moment += moments[cell] * (restOfCell / masses[cell])
                cell += 1
                restOfCell = masses[cell]
            }
            restOfCell -= missing
            moment += moments[cell] * (missing / masses[cell])
            frequencies.append(min(moment / partMass, 1))
        }
        return frequencies
    }

    /// The concentration at which the most frequent `share` carry 80 %; `nil` if none is found
    /// between 1/32 and 256, beyond which the table of cells is not accurate or overflows.
    static func concentration(mean: Double, frequentShare share: Double) -> Double? {
        func carried(_ concentration: Double) -> Double {
            BetaFrequencies(mean: mean, concentration: concentration, cellCount: 512)
                .carried(byMostFrequent: share)
        }
        var low = 1.0 / 32
        var high = 256.0
        // The more concentrated around the mean, the less the frequent ones carry.
        guard carried(low) > 0.8, carried(high) < 0.8 else { return nil }
        while high / low > 1 + 0x1p-24 {
            let middle = (low * high).squareRoot()
            if carried(middle) > 0.8 { low = middle } else { high = middle }
        }
        return low
    }
}

/// `base` to the power of `exponent`, which is rounded to a multiple of 2⁻²⁴.
///
/// - Precondition: `base` is in 0...1, and not 0 where the exponent is negative.
func power(_ base: Double, _ exponent: Double) -> Double {
    let magnitude = exponent.magnitude * 0x1p24 + 0.5
    precondition(magnitude < 0x1p62)
    let scaled = UInt64(magnitude)
    var result = 1.0
    var whole = scaled >> 24
    var square = base
    while whole > 0 {
        if whole & 1 == 1 { result *= square }
        square *= square
        whole >>= 1
    }
    var fraction = scaled & 0xFF_FFFF
    var root = base
    while fraction > 0 {
        root = root.squareRoot()
        fraction <<= 1
        if fraction >> 24 == 1 { result *= root }
        fraction &= 0xFF_FFFF
    }
    return exponent < 0 ? 1 / result : result
}
