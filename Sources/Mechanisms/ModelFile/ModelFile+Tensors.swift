package import WeightFormats

/// Where a weight matrix or vector lies in its file.
///
/// Only ``ModelFile`` makes one, after checking that it lies inside the file.
package struct Tensor: Equatable, Sendable {
    package let name: String
    package let format: WeightFormat
    /// As in the file: the fastest (contiguous) dimension first, 1 to 4 dimensions.
    package let dimensions: [Int]
    /// From the start of the file; a multiple of the file's alignment.
    package let byteOffset: Int
    package let byteCount: Int

    /// Elements of one row, which lie side by side.
    package var columnCount: Int { dimensions[0] }

    /// Product of all dimensions but the first.
    package var rowCount: Int { dimensions.dropFirst().reduce(1, *) }

    package var elementCount: Int { rowCount * columnCount }

    package var rowByteCount: Int { byteCount / rowCount }

    init(name: String, format: WeightFormat, dimensions: [Int], range: Range<Int>) {
        self.name = name
        self.format = format
        self.dimensions = dimensions
        byteOffset = range.lowerBound
        byteCount = range.count
    }
}

extension ModelFile {
    /// All names in the order of the file, those of unsupported types included.
    package var tensorNames: [String] { index.tensors.map(\.name) }

    package func hasTensor(named name: String) -> Bool { index.tensorPositions[name] != nil }

    /// Finds a tensor. It is an error if it is missing or of a type that is not supported.
    package func tensor(named name: String) throws(ModelFileError) -> Tensor {
        guard let position = index.tensorPositions[name] else {
            throw ModelFileError(file: self.name, place: .tensor(name), rule: .missing)
        }
        let entry = index.tensors[position]
        guard let format = entry.type.format else {
            let type = entry.type.name ?? "number \(entry.type.code)"
            throw ModelFileError(
                file: self.name, place: .tensor(name), rule: .unsupportedTensorType(type))
        }
        return Tensor(
            name: name, format: format, dimensions: entry.dimensions, range: entry.range)
    }

    /// A tensor's bytes in the file: rows one after another. Valid as long as this object is.
    ///
    /// Traps if the tensor does not lie inside this file: it was found in another one.
    /// Mapped, it is aligned as in the file; in memory, to no more than 16 bytes.
    @_lifetime(borrow self)
    package func bytes(of tensor: Tensor) -> RawSpan {
        span(of: tensor.byteOffset..<tensor.byteOffset + tensor.byteCount)
    }

    /// The bytes of some consecutive rows of a tensor.
    @_lifetime(borrow self)
    package func bytes(of tensor: Tensor, rows: Range<Int>) -> RawSpan {
        precondition(rows.lowerBound >= 0)
        precondition(rows.upperBound <= tensor.rowCount)
        let start = tensor.byteOffset + rows.lowerBound * tensor.rowByteCount
        return span(of: start..<start + rows.count * tensor.rowByteCount)
    }

    /// A copy of the elements of a tensor of a plain format (F32, F16, BF16), in file order.
    ///
    /// Norm weights are small and read for every token, so they are converted once.
    package func floats(of tensor: Tensor) throws(ModelFileError) -> [Float] {
        try requirePlain(tensor)
        let bytes = bytes(of: tensor)
        var cursor = ByteCursor(file: name, range: 0..<bytes.byteCount)
        var values: [Float] = []
        values.reserveCapacity(tensor.elementCount)
        for _ in 0..<tensor.elementCount {
            values.append(try cursor.readFloat(tensor.format, from: bytes))
        }
        return values
    }

    func requirePlain(_ tensor: Tensor) throws(ModelFileError) {
        guard tensor.format.elementsPerBlock == 1 else {
            throw ModelFileError(
                file: name, place: .tensor(tensor.name),
                rule: .quantised(typeName: tensor.format.rawValue))
        }
    }
}

extension ByteCursor {
    /// Reads one element of a plain format; every F16 and BF16 value has an exact F32 value.
    fileprivate mutating func readFloat(
        _ format: WeightFormat, from bytes: RawSpan
    ) throws(ModelFileError) -> Float {
        switch format {
        case .f32: Float(bitPattern: try read(UInt32.self, from: bytes))
        case .f16: Float(Float16(bitPattern: try read(UInt16.self, from: bytes)))
        case .bf16: Float(bitPattern: UInt32(try read(UInt16.self, from: bytes)) << 16)
        case .q8_0, .q4_0, .q4_1: preconditionFailure("a quantised format has no single elements")
        }
    }
}
