/// Repeated measurements of one thing: what a table shows is their median and their spread.
package struct Samples: Equatable, Sendable {
    /// Ascending; at least one.
    private let values: [Double]

    /// - Parameter values: at least one.
    package init(_ values: [Double]) {
        precondition(!values.isEmpty)
        self.values = values.sorted()
    }

    package var count: Int { values.count }
    package var lowest: Double { values[0] }
    package var highest: Double { values[values.count - 1] }

    /// The middle one, or the mean of the two in the middle.
    package var median: Double {
        let middle = values.count / 2
        return values.count.isMultiple(of: 2)
            ? (values[middle - 1] + values[middle]) / 2 : values[middle]
    }

    /// Half the distance between highest and lowest over the median: 0.03 means about ± 3 %.
    package var relativeSpread: Double {
        median == 0 ? 0 : (highest - lowest) / 2 / median
    }
}
