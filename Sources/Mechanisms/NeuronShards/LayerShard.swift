import Kernels
import ModelFile

/// Where one layer's neurons lie in a shard's storage.
package struct LayerShard: Sendable {
    package let qkvNeurons: [UInt32]
    /// The neurons that were loaded; who is where since then, ``NeuronShard/slots`` says.
    package let feedForwardNeurons: [UInt32]
    let query: PlacedColumns
    let key: PlacedColumns
    let value: PlacedColumns
    /// `nil` where the architecture is not gated.
    let gate: PlacedRows?
    let up: PlacedRows
    /// One element a neuron; `nil` where the architecture has no biases.
    let upBias: PlacedRows?
    let down: PlacedDown

    /// Plans the layer from byte `cursor` of the storage on, and moves the cursor past it.
    init(
        weights: DecoderWeights.Layer, qkvNeurons: [UInt32], feedForwardNeurons: [UInt32],
        mobility: ShardMobility, cursor: inout Int
    ) {
        self.qkvNeurons = qkvNeurons
        self.feedForwardNeurons = feedForwardNeurons
        let inputs = NeuronSet(ascending: qkvNeurons)
        query = PlacedColumns(weights.query, neurons: inputs, cursor: &cursor)
        key = PlacedColumns(weights.key, neurons: inputs, cursor: &cursor)
        value = PlacedColumns(weights.value, neurons: inputs, cursor: &cursor)
        let count = feedForwardNeurons.count + mobility.spareSlotCount
        gate = weights.gate.map { PlacedRows($0, rowCount: count, cursor: &cursor) }
        up = PlacedRows(weights.up, rowCount: count, cursor: &cursor)
        upBias = weights.biases.map {
            PlacedRows(elementsOf: $0.up, rowCount: count, cursor: &cursor)
        }
        precondition(gate == nil || upBias == nil, "no gated architecture has biases")
        down =
            weights.isDownTransposed
            ? .rows(PlacedRows(weights.down, rowCount: count, cursor: &cursor))
            : .columns(
                PlacedColumns(
                    weights.down,
                    neurons: NeuronSet(
                        ascending: feedForwardNeurons, sharesScales: mobility.sharesScales,
                        spareSlotCount: mobility.spareSlotCount),
                    cursor: &cursor))
    }

    /// What a neuron of the feed-forward block consists of, in the order of its parcel, but for
    /// the down projection, which comes last.
    private var rowParts: [PlacedRows] { [gate, up, upBias].compactMap { $0 } }

    /// Bytes of one neuron's weights as they travel.
    package var parcelByteCount: Int {
        let rows = rowParts.reduce(0) { $0 + $1.parcelByteCount }
        switch down {
        case .columns(let columns): return rows + columns.parcelByteCount
        case .rows(let downRows): return rows + downRows.parcelByteCount
        }
    }

    func read(
        _ storage: RawSpan, slot: Int, into target: inout MutableRawSpan, at byteOffset: Int
    ) {
        var cursor = byteOffset
        for part in rowParts { part.read(storage, slot: slot, into: &target, at: &cursor) }
        switch down {
        case .columns(let columns): columns.read(storage, slot: slot, into: &target, at: &cursor)
        case .rows(let rows): rows.read(storage, slot: slot, into: &target, at: &cursor)
        }
    }

    func write(
        _ source: RawSpan, at byteOffset: Int, slot: Int, into storage: inout MutableRawSpan
    ) {
        var cursor = byteOffset
        for part in rowParts { part.write(source, at: &cursor, slot: slot, into: &storage) }
        switch down {
        case .columns(let columns):
            columns.write(source, at: &cursor, slot: slot, into: &storage)
        case .rows(let rows): rows.write(source, at: &cursor, slot: slot, into: &storage)
        }
    }

    func load(
        from file: ModelFile, weights: DecoderWeights.Layer, into storage: inout MutableRawSpan
    ) {
        query.load(from: file, weights.query, into: &storage)
        key.load(from: file, weights.key, into: &storage)
        value.load(from: file, weights.value, into: &storage)
        for (rows, tensor) in [
            (gate, weights.gate), (up, weights.up), (upBias, weights.biases?.up),
        ] {
            guard let rows, let tensor else { continue }
            rows.load(from: file, tensor, rows: feedForwardNeurons, into: &storage)
        }
        switch down {
        case .columns(let columns): columns.load(from: file, weights.down, into: &storage)
        case .rows(let rows):
            rows.load(from: file, weights.down, rows: feedForwardNeurons, into: &storage)
        }
    }
}

/// A down projection as its file has it: neurons are columns, or rows.
enum PlacedDown: Sendable {
    case columns(PlacedColumns)
    case rows(PlacedRows)

    /// Length of the block's output.
    var outputCount: Int {
        switch self {
        case .columns(let columns): columns.layout.outputCount
        case .rows(let rows): rows.columnCount
        }
    }

    /// Adds the first `count` slots named, each times its coefficient, to `sum`.
    func accumulate(
        _ storage: RawSpan, slots: [UInt32], coefficients: [Float], count: Int,
        into sum: inout PartialSum
    ) {
        switch self {
        case .columns(let columns):
            columns.accumulate(
                storage, slots: slots, coefficients: coefficients, count: count, into: &sum,
                from: 0)
        case .rows(let rows):
            rows.accumulate(
                storage, rows: slots, coefficients: coefficients, count: count, into: &sum)
        }
    }
}
