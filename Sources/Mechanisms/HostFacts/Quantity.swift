/// Figures as findings show them.
enum Quantity {
    /// Bytes in binary units, as the kernel counts memory: "7.8 GiB", "64 KiB".
    static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(count)
        var index = 0
        while value >= 1024, index < units.count - 1 {
            value /= 1024
            index += 1
        }
        return "\(decimal(value)) \(units[index])"
    }

    /// At most one decimal.
    static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// Ascending numbers with ranges joined: "0-3,8"; "none" for an empty list.
    static func list(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in Set(numbers).sorted() {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        let parts = ranges.map { range in
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        return parts.isEmpty ? "none" : parts.joined(separator: ",")
    }

    /// Reads what ``list(_:)`` writes, as the kernel does, too; other text gives no numbers.
    static func numbers(in list: String) -> [Int] {
        list.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
            let ends = part.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last,
                last - first < 1 << 16
            else { return [] }
            return Array(first...last)
        }
    }
}
