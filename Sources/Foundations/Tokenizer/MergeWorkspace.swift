/// A piece of text that is a token or, with `id` -1, has not become one.
struct Symbol {
    var start: Int32
    var byteCount: Int32
    var id: Int32
}

/// What two neighbouring symbols would become, and how urgent that is: lowest `priority` first.
struct Merge {
    static let none = Merge(priority: .max, id: -1)
    var priority: UInt32
    var id: Int32
}

/// Which neighbours a vocabulary joins.
protocol MergeRule {
    /// - Parameter text: the bytes that the symbols' offsets refer to.
    /// - Returns: `Merge.none` when the two stay apart.
    func merge(of left: Symbol, with right: Symbol, in text: [UInt8]) -> Merge
}

/// Joins neighbouring symbols, lowest priority first and leftmost among equals, until none join.
///
/// Both tokenizer families do this; they differ only in their `MergeRule`. Short runs (words) are
/// scanned for the best pair again and again, long ones kept in a heap, so the time for a run of
/// n symbols is O(n log n). The buffers live on between runs.
struct MergeWorkspace {
    /// The run before `mergeAll`, the result after it.
    var symbols: [Symbol] = []
    private var candidates: [Merge] = []
    private var heap = MergeHeap()
    private var previous: [Int32] = []
    private var next: [Int32] = []

    /// Up to here scanning beats the heap.
    private static let longestScannedCount = 40

    mutating func mergeAll(by rule: some MergeRule, in text: [UInt8]) {
        guard symbols.count > 1 else { return }
        if symbols.count <= Self.longestScannedCount {
            mergeByScanning(by: rule, in: text)
        } else {
            mergeByHeap(by: rule, in: text)
        }
    }

    private mutating func mergeByScanning(by rule: some MergeRule, in text: [UInt8]) {
        candidates.removeAll(keepingCapacity: true)
        for index in 1..<symbols.count {
            candidates.append(rule.merge(of: symbols[index - 1], with: symbols[index], in: text))
        }
        while true {
            var best = 0
            var bestPriority = UInt32.max
            for index in 0..<candidates.count where candidates[index].priority < bestPriority {
                best = index
                bestPriority = candidates[index].priority
            }
            guard bestPriority != .max else { return }
            symbols[best].id = candidates[best].id
            symbols[best].byteCount += symbols[best + 1].byteCount
            symbols.remove(at: best + 1)
            candidates.remove(at: best)
            if best < candidates.count {
                candidates[best] = rule.merge(
                    of: symbols[best], with: symbols[best + 1], in: text)
            }
            if best > 0 {
                candidates[best - 1] = rule.merge(
                    of: symbols[best - 1], with: symbols[best], in: text)
            }
        }
    }

    private mutating func mergeByHeap(by rule: some MergeRule, in text: [UInt8]) {
        let count = symbols.count
        previous = (0..<count).map { Int32($0 - 1) }
        next = (0..<count).map { Int32($0 + 1 < count ? $0 + 1 : -1) }
        heap.removeAll()
        for index in 1..<count { offer(left: index - 1, right: index, by: rule, in: text) }
        while let entry = heap.popFirst() {
            let left = entry.left
            let right = Int(next[left])
            // Symbols only grow, so an unchanged total means that neither side has changed. An
            // absorbed symbol has no bytes, which makes its own entries stale.
            guard symbols[left].byteCount > 0, right >= 0,
                symbols[left].byteCount + symbols[right].byteCount == entry.byteCount
            else { continue }
            symbols[left].id = entry.id
            symbols[left].byteCount = entry.byteCount
            symbols[right].byteCount = 0
            next[left] = next[right]
            if next[left] >= 0 {
                previous[Int(next[left])] = Int32(left)
                offer(left: left, right: Int(next[left]), by: rule, in: text)
            }
            if previous[left] >= 0 {
                offer(left: Int(previous[left]), right: left, by: rule, in: text)
            }
        }
        symbols.removeAll { $0.byteCount == 0 }
    }

    private mutating func offer(
        left: Int, right: Int, by rule: some MergeRule, in text: [UInt8]
    ) {
        let merge = rule.merge(of: symbols[left], with: symbols[right], in: text)
        guard merge.priority != .max else { return }
        heap.insert(
            MergeHeap.Entry(
                order: UInt64(merge.priority) << 32 | UInt64(left),
                byteCount: symbols[left].byteCount + symbols[right].byteCount, id: merge.id))
    }
}

/// A binary heap of possible merges, smallest `order` first.
private struct MergeHeap {
    struct Entry {
        /// Priority in the high half, left symbol's index in the low half.
        var order: UInt64
        /// Of both symbols together when the entry was made.
        var byteCount: Int32
        var id: Int32
        var left: Int { Int(order & 0xFFFF_FFFF) }
    }

    private var entries: [Entry] = []

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    mutating func insert(_ entry: Entry) {
        var hole = entries.count
        entries.append(entry)
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard entry.order < entries[parent].order else { break }
            entries[hole] = entries[parent]
            hole = parent
        }
        entries[hole] = entry
    }

    mutating func popFirst() -> Entry? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return first }
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].order < entries[child].order {
                child += 1
            }
            guard entries[child].order < last.order else { break }
            entries[hole] = entries[child]
            hole = child
        }
        entries[hole] = last
        return first
    }
}
