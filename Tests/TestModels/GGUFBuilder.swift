package import WeightFormats

/// Writes GGUF files for tests: valid by default, and wrong in exactly the way a test asks for.
///
/// Written from the specification, apart from the reader, so that the two check each other.
package struct GGUFBuilder: Sendable {
    package struct Tensor: Sendable {
        package var name: [UInt8]
        /// ggml's number of the type.
        package var typeCode: UInt32
        package var dimensions: [UInt64]
        package var bytes: [UInt8]
        /// Written instead of the true offset; in bytes from the start of the tensor data.
        package var declaredOffset: UInt64?
        /// Written instead of the true number of dimensions.
        package var declaredDimensionCount: UInt32?

        package init(
            name: String, typeCode: UInt32, dimensions: [UInt64], bytes: [UInt8],
            declaredOffset: UInt64? = nil
        ) {
            self.name = Array(name.utf8)
            self.typeCode = typeCode
            self.dimensions = dimensions
            self.bytes = bytes
            self.declaredOffset = declaredOffset
        }
    }

    package var version: UInt32 = 3
    /// Where tensors are placed; a value other than 32 needs the key `general.alignment` too.
    package var alignment = 32
    package var metadata: [(key: [UInt8], value: GGUFValue)] = []
    package var tensors: [Tensor] = []
    /// Written instead of the true counts.
    package var declaredTensorCount: UInt64?
    package var declaredKeyCount: UInt64?

    package init() {}

    /// Sets or reads the value of a key; `nil` removes it.
    package subscript(key: String) -> GGUFValue? {
        get { metadata.first { $0.key == Array(key.utf8) }?.value }
        set {
            let name = Array(key.utf8)
            let position = metadata.firstIndex { $0.key == name }
            switch (position, newValue) {
            case (let position?, let value?): metadata[position].value = value
            case (let position?, nil): metadata.remove(at: position)
            case (nil, let value?): metadata.append((name, value))
            case (nil, nil): break
            }
        }
    }

    /// Changes the tensor of a name, which must exist.
    package mutating func editTensor(_ name: String, _ edit: (inout Tensor) -> Void) {
        for position in tensors.indices where tensors[position].name == Array(name.utf8) {
            edit(&tensors[position])
            return
        }
        preconditionFailure("the builder has no tensor '\(name)'")
    }

    package mutating func removeTensor(_ name: String) {
        tensors.removeAll { $0.name == Array(name.utf8) }
    }

    /// The whole file.
    package func build() -> [UInt8] {
        var file = Array("GGUF".utf8)
        file.append(littleEndian: version)
        file.append(littleEndian: declaredTensorCount ?? UInt64(tensors.count))
        file.append(littleEndian: declaredKeyCount ?? UInt64(metadata.count))
        for (key, value) in metadata {
            file.append(string: key)
            file.append(littleEndian: value.typeCode)
            value.appendValue(to: &file)
        }
        var offset = 0
        for tensor in tensors {
            file.append(string: tensor.name)
            file.append(
                littleEndian: tensor.declaredDimensionCount ?? UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { file.append(littleEndian: dimension) }
            file.append(littleEndian: tensor.typeCode)
            file.append(littleEndian: tensor.declaredOffset ?? UInt64(offset))
            offset += padded(tensor.bytes.count)
        }
        for tensor in tensors {
            file.append(contentsOf: repeatElement(0, count: padded(file.count) - file.count))
            file.append(contentsOf: tensor.bytes)
        }
        return file
    }

    private func padded(_ byteCount: Int) -> Int {
        (byteCount + alignment - 1) / alignment * alignment
    }
}

/// A metadata value of any type that GGUF has.
package indirect enum GGUFValue: Sendable {
    case uint8(UInt8)
    case int8(Int8)
    case uint16(UInt16)
    case int16(Int16)
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case int64(Int64)
    case float32(Float)
    case float64(Double)
    /// A byte, so that a test can write a boolean that is neither 0 nor 1.
    case bool(UInt8)
    case string([UInt8])
    case array(elementTypeCode: UInt32, [GGUFValue])

    package static func text(_ text: String) -> GGUFValue { .string(Array(text.utf8)) }

    package static func strings(_ strings: [[UInt8]]) -> GGUFValue {
        .array(elementTypeCode: 8, strings.map(GGUFValue.string))
    }

    package static func int32s(_ values: [Int32]) -> GGUFValue {
        .array(elementTypeCode: 5, values.map(GGUFValue.int32))
    }

    package static func float32s(_ values: [Float]) -> GGUFValue {
        .array(elementTypeCode: 6, values.map(GGUFValue.float32))
    }

    /// The specification's number of the type.
    package var typeCode: UInt32 {
        switch self {
        case .uint8: 0
        case .int8: 1
        case .uint16: 2
        case .int16: 3
        case .uint32: 4
        case .int32: 5
        case .float32: 6
        case .bool: 7
        case .string: 8
        case .array: 9
        case .uint64: 10
        case .int64: 11
        case .float64: 12
        }
    }

    fileprivate func appendValue(to file: inout [UInt8]) {
        switch self {
        case .uint8(let value): file.append(value)
        case .int8(let value): file.append(littleEndian: value)
        case .uint16(let value): file.append(littleEndian: value)
        case .int16(let value): file.append(littleEndian: value)
        case .uint32(let value): file.append(littleEndian: value)
        case .int32(let value): file.append(littleEndian: value)
        case .uint64(let value): file.append(littleEndian: value)
        case .int64(let value): file.append(littleEndian: value)
        case .float32(let value): file.append(littleEndian: value.bitPattern)
        case .float64(let value): file.append(littleEndian: value.bitPattern)
        case .bool(let value): file.append(value)
        case .string(let bytes): file.append(string: bytes)
        case .array(let elementTypeCode, let elements):
            file.append(littleEndian: elementTypeCode)
            file.append(littleEndian: UInt64(elements.count))
            for element in elements { element.appendValue(to: &file) }
        }
    }
}

extension WeightFormat {
    /// ggml's number of the type.
    package var typeCode: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q4_1: 3
        case .q8_0: 8
        case .bf16: 30
        }
    }
}

extension [UInt8] {
    package mutating func append(littleEndian value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    fileprivate mutating func append(string: [UInt8]) {
        append(littleEndian: UInt64(string.count))
        append(contentsOf: string)
    }
}
