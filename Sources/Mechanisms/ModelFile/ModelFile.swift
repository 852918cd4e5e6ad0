import MappedMemory
package import SystemPackage

/// A GGUF model file, mapped read-only, with every length and offset checked when it is opened.
///
/// Tensors and large metadata stay in the file until somebody asks for them, so opening costs
/// one pass over the header. A class, because many readers share one mapping. Whoever shortens
/// the file while it is mapped ends this process with SIGBUS, as with any mapping.
///
/// Source: the GGUF specification, versions 2 and 3.
package final class ModelFile: Sendable {
    /// The path, or the name that the caller gave; errors begin with it.
    package let name: String
    let index: ModelFileIndex
    let storage: FileBytes

    private init(name: String, index: ModelFileIndex, storage: consuming FileBytes) {
        self.name = name
        self.index = index
        self.storage = storage
    }

    /// Maps and checks the file at a path.
    package static func open(path: String) throws(ModelFileError) -> ModelFile {
        let mapping = try mapped(path) { () throws(MappedMemoryError) in
            try FileMapping.open(FilePath(path))
        }
        return try check(.mapped(mapping), name: path)
    }

    /// Takes over an inherited descriptor of a model file, maps and checks the file.
    ///
    /// The descriptor is closed when this throws, and otherwise when the model file ends.
    ///
    /// - Parameter name: what errors call the file.
    package static func adopt(
        _ descriptor: FileDescriptor, name: String
    ) throws(ModelFileError) -> ModelFile {
        let mapping = try mapped(name) { () throws(MappedMemoryError) in
            try FileMapping.adopt(descriptor, named: name)
        }
        return try check(.mapped(mapping), name: name)
    }

    /// Checks a file held in memory: a model that was made rather than stored.
    package static func parse(_ bytes: [UInt8], name: String) throws(ModelFileError) -> ModelFile {
        try check(.inMemory(bytes), name: name)
    }

    private static func check(
        _ storage: consuming FileBytes, name: String
    ) throws(ModelFileError) -> ModelFile {
        let index = try storage.withSpan { (bytes: RawSpan) throws(ModelFileError) in
            try ModelFileIndex.parse(bytes, file: name)
        }
        return ModelFile(name: name, index: index, storage: storage)
    }

    /// Runs a step that maps, and says of its failures whether the file or the machine is at fault.
    private static func mapped(
        _ name: String, _ step: () throws(MappedMemoryError) -> FileMapping
    ) throws(ModelFileError) -> FileMapping {
        do throws(MappedMemoryError) {
            return try step()
        } catch {
            throw ModelFileError(file: name, place: .file, rule: .notMapped(error))
        }
    }

    /// GGUF version, 2 or 3.
    package var version: Int { index.version }

    /// Size of the whole file.
    package var byteCount: Int { storage.byteCount }

    /// The open file, for workers to inherit; `nil` for a file in memory. Closed with this object.
    package var descriptor: FileDescriptor? { storage.descriptor }

    /// The whole file, valid as long as this object is.
    package var bytes: RawSpan {
        @_lifetime(borrow self)
        get { span(of: 0..<byteCount) }
    }

    /// What the file says about its model.
    package var metadata: ModelMetadata { ModelMetadata(file: self) }

    /// Runs `body` on the whole file.
    func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withSpan(body)
    }
}
