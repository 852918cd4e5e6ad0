/// Where a worker's pages lie and its threads ran, as the kernel says; travels with
/// ``WorkerFacts`` when there is something to tell.
///
/// Byte layout: UInt32 number of counts, UInt32 bytes of text, UInt64 bytes in huge pages, UInt64
/// bytes locked; then per count UInt32 (subject in the upper 8 bits, node below) and UInt32 count;
/// then the refusals as UTF-8 text, one a line. All little-endian.
package struct Whereabouts: Equatable, Sendable {
    package enum Subject: UInt32, CaseIterable, Sendable {
        case weights = 1
        case keysAndValues = 2
        case threads = 3
    }

    /// How many pages or threads of a subject are on a node.
    package struct Count: Equatable, Sendable {
        package let subject: Subject
        package let node: Int
        package let count: Int

        package init(_ subject: Subject, node: Int, count: Int) {
            self.subject = subject
            self.node = node
            self.count = count
        }
    }

    /// A message stays below the smallest ring's limit: further counts and text are cut off.
    package static let maximumCountCount = 96
    package static let maximumTextByteCount = 400
    static let fixedByteCount = 24

    package private(set) var counts: [Count]
    /// What the kernel did not do as asked; one sentence each.
    package private(set) var refusals: [String]
    /// Bytes of the process in huge pages, transparent or of the kernel's pool, and locked.
    package var hugePageByteCount: UInt64
    package var lockedByteCount: UInt64

    package init(
        counts: [Count] = [], refusals: [String] = [], hugePageByteCount: UInt64 = 0,
        lockedByteCount: UInt64 = 0
    ) {
        self.counts = Array(counts.sorted { $0.count > $1.count }.prefix(Self.maximumCountCount))
        self.hugePageByteCount = hugePageByteCount
        self.lockedByteCount = lockedByteCount
        var text = refusals.joined(separator: "\n")
        while text.utf8.count > Self.maximumTextByteCount { text.removeLast() }
        self.refusals = Self.lines(of: text)
    }

    private static func lines(of text: String) -> [String] {
        text.split(separator: "\n").map { String($0) }
    }

    /// Pages or threads of a subject by node.
    package func counts(of subject: Subject) -> [Int: Int] {
        counts.reduce(into: [:]) { sums, entry in
            if entry.subject == subject { sums[entry.node, default: 0] += entry.count }
        }
    }

    private var text: String { refusals.joined(separator: "\n") }

    /// 0 when there is nothing to tell.
    var byteCount: Int {
        self == Whereabouts() ? 0 : Self.fixedByteCount + 8 * counts.count + text.utf8.count
    }

    init(decoding message: RawSpan, at base: Int) throws(LinkError) {
        let room = message.byteCount - base
        guard room > 0 else {
            self.init()
            return
        }
        guard room >= Self.fixedByteCount,
            case let countCount = Int(message.word32(at: base)),
            case let textByteCount = Int(message.word32(at: base + 4)),
            countCount <= Self.maximumCountCount, textByteCount <= Self.maximumTextByteCount,
            room == Self.fixedByteCount + 8 * countCount + textByteCount
        else { throw .peerCorrupt("worker facts of \(message.byteCount) bytes") }
        var counts: [Count] = []
        for index in 0..<countCount {
            let at = base + Self.fixedByteCount + 8 * index
            let word = message.word32(at: at)
            guard let subject = Subject(rawValue: word >> 24) else {
                throw .peerCorrupt("a count of subject \(word >> 24)")
            }
            counts.append(
                Count(
                    subject, node: Int(word & 0xff_ffff), count: Int(message.word32(at: at + 4))))
        }
        let text = message.text(
            at: base + Self.fixedByteCount + 8 * countCount, byteCount: textByteCount)
        self.init(
            counts: counts, refusals: Self.lines(of: text),
            hugePageByteCount: message.word64(at: base + 8),
            lockedByteCount: message.word64(at: base + 16))
    }

    func encode(into message: inout MutableRawSpan, at base: Int) {
        guard byteCount > 0 else { return }
        let bytes = Array(text.utf8)
        message.storeBytes(of: UInt32(counts.count), toByteOffset: base, as: UInt32.self)
        message.storeBytes(of: UInt32(bytes.count), toByteOffset: base + 4, as: UInt32.self)
        message.storeBytes(of: hugePageByteCount, toByteOffset: base + 8, as: UInt64.self)
        message.storeBytes(of: lockedByteCount, toByteOffset: base + 16, as: UInt64.self)
        for (index, entry) in counts.enumerated() {
            let at = base + Self.fixedByteCount + 8 * index
            let word = entry.subject.rawValue << 24 | UInt32(entry.node)
            message.storeBytes(of: word, toByteOffset: at, as: UInt32.self)
            message.storeBytes(
                of: UInt32(clamping: entry.count), toByteOffset: at + 4, as: UInt32.self)
        }
        unsafe message.store(
            bytes: bytes.span.bytes, at: base + Self.fixedByteCount + 8 * counts.count)
    }
}
