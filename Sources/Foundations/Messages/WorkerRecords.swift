/// What a worker needs to know before it loads its shard; payload of ``MessageKind/configure``.
///
/// Byte layout: eight little-endian UInt32 in the order of the properties, then the topology as
/// UTF-8 YAML, from which a timed worker builds the model of its own DIMM.
package struct WorkerConfiguration: Equatable, Sendable {
    package static let fixedByteCount = 32

    /// This worker's DIMM, and how many there are.
    package var dimmIndex: Int
    package var dimmCount: Int
    /// Positions that the KV cache must hold.
    package var contextCapacity: Int
    /// Whether one ``MessageKind/setActivityRule`` per layer follows.
    package var isSparse: Bool
    /// Layers of the model as the coordinator read them: a worker with another file refuses.
    package var layerCount: Int
    /// Whether emulated time is kept; a native run has none.
    package var isTimed: Bool
    /// Slots of each layer that hold no feed-forward neuron at first; 0 where none moves.
    package var spareSlotCount: Int
    /// Whether one ``MessageKind/setHomes`` per layer follows, before any rule; else neuron `i` is
    /// at home on DIMM `i % dimmCount`.
    package var hasHomes: Bool
    package var topologyText: String

    package init(
        dimmIndex: Int, dimmCount: Int, contextCapacity: Int, isSparse: Bool, layerCount: Int,
        isTimed: Bool, spareSlotCount: Int = 0, hasHomes: Bool = false, topologyText: String
    ) {
        self.dimmIndex = dimmIndex
        self.dimmCount = dimmCount
        self.contextCapacity = contextCapacity
        self.isSparse = isSparse
        self.layerCount = layerCount
        self.isTimed = isTimed
        self.spareSlotCount = spareSlotCount
        self.hasHomes = hasHomes
        self.topologyText = topologyText
    }

    package var byteCount: Int {
        Self.byteCount(topologyByteCount: topologyText.utf8.count)
    }

    /// Of a configuration whose topology's text takes so many bytes.
    package static func byteCount(topologyByteCount: Int) -> Int {
        fixedByteCount + topologyByteCount
    }

    /// Reads and checks a configuration behind the header of `message`.
    package init(decoding message: RawSpan) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount >= base + Self.fixedByteCount else {
            throw .peerCorrupt("a configuration of \(message.byteCount) bytes")
        }
        dimmIndex = Int(message.word32(at: base))
        dimmCount = Int(message.word32(at: base + 4))
        contextCapacity = Int(message.word32(at: base + 8))
        isSparse = message.word32(at: base + 12) != 0
        layerCount = Int(message.word32(at: base + 16))
        isTimed = message.word32(at: base + 20) != 0
        spareSlotCount = Int(message.word32(at: base + 24))
        hasHomes = message.word32(at: base + 28) != 0
        topologyText = message.text(
            at: base + Self.fixedByteCount,
            byteCount: message.byteCount - base - Self.fixedByteCount)
        guard dimmCount >= 1, dimmIndex < dimmCount, contextCapacity >= 1, layerCount >= 1 else {
            throw .peerCorrupt(
                "DIMM \(dimmIndex) of \(dimmCount), \(layerCount) layers, "
                    + "\(contextCapacity) positions: impossible")
        }
    }

    package func encode(into message: inout MutableRawSpan) {
        let fields = [
            dimmIndex, dimmCount, contextCapacity, isSparse ? 1 : 0, layerCount, isTimed ? 1 : 0,
            spareSlotCount, hasHomes ? 1 : 0,
        ]
        for (index, field) in fields.enumerated() {
            message.storeBytes(
                of: UInt32(field), toByteOffset: MessageHeader.byteCount + 4 * index,
                as: UInt32.self)
        }
        let text = Array(topologyText.utf8)
        unsafe message.store(
            bytes: text.span.bytes, at: MessageHeader.byteCount + Self.fixedByteCount)
    }
}

/// Where a worker's memory really lies and what it holds; payload of ``MessageKind/ready`` and,
/// read again at the end, of ``MessageKind/farewell``.
///
/// Byte layout: eleven little-endian UInt64 in the order of the properties, then ``Whereabouts`` if
/// it tells anything.
package struct WorkerFacts: Equatable, Sendable {
    /// Of the eleven numbers.
    package static let byteCount = 88
    /// Stands for "the kernel does not say".
    package static let unknown = UInt64.max

    /// Bytes of this worker's weights, re-laid, side tables included.
    package var weightByteCount: UInt64
    package var keyValueByteCount: UInt64
    /// The NUMA node whose CPU the worker's thread ran on when it asked.
    package var node: UInt64
    /// Pages of weights and KV cache on a node that was asked for, elsewhere, and not yet touched.
    package var pagesOnNode: UInt64
    package var pagesElsewhere: UInt64
    package var pagesUntouched: UInt64
    /// CPU time of the worker process so far, nanoseconds of wall-clock kind.
    package var processorNanoseconds: UInt64
    /// Memory that is this process's alone (Private_Dirty of smaps_rollup), bytes.
    package var privateDirtyByteCount: UInt64
    /// Emulated picoseconds that the DIMM was busy.
    package var busyPicoseconds: UInt64 = 0
    /// A paced run's deadlines, and how many of them the worker missed.
    package var deadlineCount: UInt64 = 0
    package var missedDeadlineCount: UInt64 = 0
    /// The same pages region by region and node by node, and what the kernel refused.
    package var whereabouts = Whereabouts()

    /// Bytes of the payload.
    package var messageByteCount: Int { Self.byteCount + whereabouts.byteCount }

    package init(
        weightByteCount: UInt64, keyValueByteCount: UInt64, node: UInt64, pagesOnNode: UInt64,
        pagesElsewhere: UInt64, pagesUntouched: UInt64, processorNanoseconds: UInt64,
        privateDirtyByteCount: UInt64
    ) {
        self.weightByteCount = weightByteCount
        self.keyValueByteCount = keyValueByteCount
        self.node = node
        self.pagesOnNode = pagesOnNode
        self.pagesElsewhere = pagesElsewhere
        self.pagesUntouched = pagesUntouched
        self.processorNanoseconds = processorNanoseconds
        self.privateDirtyByteCount = privateDirtyByteCount
    }

    /// Reads the facts behind the header of `message`.
    package init(decoding message: RawSpan) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount >= base + Self.byteCount else {
            throw .peerCorrupt("worker facts of \(message.byteCount) bytes")
        }
        weightByteCount = message.word64(at: base)
        keyValueByteCount = message.word64(at: base + 8)
        node = message.word64(at: base + 16)
        pagesOnNode = message.word64(at: base + 24)
        pagesElsewhere = message.word64(at: base + 32)
        pagesUntouched = message.word64(at: base + 40)
        processorNanoseconds = message.word64(at: base + 48)
        privateDirtyByteCount = message.word64(at: base + 56)
        busyPicoseconds = message.word64(at: base + 64)
        deadlineCount = message.word64(at: base + 72)
        missedDeadlineCount = message.word64(at: base + 80)
        whereabouts = try Whereabouts(decoding: message, at: base + Self.byteCount)
        try checkDeadlines(deadlineCount, missed: missedDeadlineCount)
    }

    package func encode(into message: inout MutableRawSpan) {
        let fields = [
            weightByteCount, keyValueByteCount, node, pagesOnNode, pagesElsewhere, pagesUntouched,
            processorNanoseconds, privateDirtyByteCount, busyPicoseconds, deadlineCount,
            missedDeadlineCount,
        ]
        for (index, field) in fields.enumerated() {
            message.storeBytes(
                of: field, toByteOffset: MessageHeader.byteCount + 8 * index, as: UInt64.self)
        }
        whereabouts.encode(into: &message, at: MessageHeader.byteCount + Self.byteCount)
    }
}
