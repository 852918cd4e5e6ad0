/// Sums in the order that every kernel of this module uses, because floating-point addition
/// does not associate: element i of a vector goes to one of a fixed number of running sums by
/// its index, each product is fused with its addition (one rounding), and the sums are added in
/// a fixed tree. The order suits eight-lane vectors; the portable path keeps it.
enum Lanes {
    /// ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7)).
    static func total(_ lanes: SIMD8<Float>) -> Float {
        let four = lanes.lowHalf + lanes.highHalf
        let two = four.lowHalf + four.highHalf
        return two[0] + two[1]
    }

    /// Of 32 running sums: ((s + s8) + (s16 + s24)) for each of eight lanes, then ``total(_:)``.
    static func total(_ sums: InlineArray<32, Float>) -> Float {
        var lanes = SIMD8<Float>(repeating: 0)
        for lane in 0..<8 {
            lanes[lane] = (sums[lane] + sums[lane + 8]) + (sums[lane + 16] + sums[lane + 24])
        }
        return total(lanes)
    }

    /// a · b with element i in running sum i mod 32.
    static func dot(_ a: Span<Float>, _ b: Span<Float>) -> Float {
        precondition(a.count == b.count)
        var sums = InlineArray<32, Float>(repeating: 0)
        for index in a.indices {
            sums[index % 32] = sums[index % 32].addingProduct(a[index], b[index])
        }
        return total(sums)
    }
}

extension SIMD8<Float> {
    /// Adds a × b to each lane with one rounding.
    mutating func addProduct(_ a: Self, _ b: Self) {
        for lane in 0..<8 { self[lane] = self[lane].addingProduct(a[lane], b[lane]) }
    }
}
