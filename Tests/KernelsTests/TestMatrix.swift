import SeededRandom
import Testing
import WeightFormats

extension SplitMix64 {
    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        var values: [Float] = []
        for _ in 0..<count { values.append(Float.random(in: range, using: &self)) }
        return values
    }

    /// A strictly ascending choice of `count` numbers below `limit`.
    mutating func ascending(_ count: Int, below limit: Int) -> [UInt32] {
        var all = Array(0..<UInt32(limit))
        all.shuffle(using: &self)
        return all.prefix(count).sorted()
    }
}

/// A random matrix as bytes of a file, and its values by a decoder of the tests' own.
struct TestMatrix {
    let format: WeightFormat
    let rowCount: Int
    let columnCount: Int
    let bytes: [UInt8]
    /// [rowCount, columnCount], exactly as the format defines them in float arithmetic.
    let values: [Float]

    /// - Parameter hostile: scales and elements are any bit pattern, infinities and NaN too.
    init(
        _ format: WeightFormat, rows: Int, columns: Int, seed: UInt64, hostile: Bool = false
    ) {
        var random = SplitMix64(seed: seed)
        var bytes: [UInt8] = []
        var values: [Float] = []
        func append(_ bits: UInt16) {
            bytes += [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
        }
        func half(_ range: ClosedRange<Float>) -> Float {
            let bits =
                hostile
                ? UInt16.random(in: 0...(.max), using: &random)
                : Float16(Float.random(in: range, using: &random)).bitPattern
            append(bits)
            return Float(Float16(bitPattern: bits))
        }
        for _ in 0..<rows * columns / format.elementsPerBlock {
            switch format {
            case .f32:
                let bits =
                    hostile
                    ? UInt32.random(in: 0...(.max), using: &random)
                    : Float.random(in: -0.2...0.2, using: &random).bitPattern
                append(UInt16(truncatingIfNeeded: bits))
                append(UInt16(bits >> 16))
                values.append(Float(bitPattern: bits))
            case .f16:
                values.append(half(-0.2...0.2))
            case .bf16:
                let random =
                    hostile
                    ? UInt32.random(in: 0...(.max), using: &random)
                    : Float.random(in: -0.2...0.2, using: &random).bitPattern
                append(UInt16(random >> 16))
                values.append(Float(bitPattern: random & 0xFFFF_0000))
            case .q8_0:
                let scale = half(0.0005...0.002)
                for _ in 0..<32 {
                    let code = Int8.random(in: -128...127, using: &random)
                    bytes.append(UInt8(bitPattern: code))
                    values.append(scale * Float(code))
                }
            case .q4_0, .q4_1:
                let scale = half(0.005...0.02)
                let offset = format == .q4_1 ? half(-0.2 ... -0.05) : 0
                let packed = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
                bytes += packed
                for code in packed.map({ $0 & 15 }) + packed.map({ $0 >> 4 }) {
                    values.append(
                        format == .q4_1
                            ? scale * Float(code) + offset : scale * Float(Int(code) - 8))
                }
            }
        }
        self.format = format
        rowCount = rows
        columnCount = columns
        self.bytes = bytes
        self.values = values
    }

    /// Row times x in double precision, and the sum of magnitudes that bounds rounding errors.
    func product(row: Int, by x: [Float]) -> (sum: Double, magnitude: Double) {
        var sum = 0.0
        var magnitude = 0.0
        for column in 0..<columnCount {
            let term = Double(values[row * columnCount + column]) * Double(x[column])
            sum += term
            // A block's codes are summed before its scale: up to 15 d + |m| a term.
            magnitude += max(abs(term), 0.5 * Double(abs(x[column])))
        }
        return (sum, magnitude)
    }
}

/// Equal bits, except that any not-a-number equals any other: which operand's payload survives
/// is the processor's choice.
func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
    if a.count != b.count { return "\(a.count) and \(b.count) elements" }
    for index in a.indices where a[index].bitPattern != b[index].bitPattern {
        if a[index].isNaN && b[index].isNaN { continue }
        return "element \(index): \(a[index]) and \(b[index])"
    }
    return nil
}

/// Column counts that a format allows: for plain formats also those that fill no vector.
func columnCounts(_ format: WeightFormat) -> [Int] {
    format.elementsPerBlock == 1
        ? [1, 2, 7, 8, 9, 31, 32, 33, 95, 100, 257, 576] : [32, 64, 96, 256, 288, 576]
}
