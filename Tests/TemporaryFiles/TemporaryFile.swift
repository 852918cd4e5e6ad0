import Glibc
package import SystemPackage

/// Runs `body` on a file with these bytes, and removes the file whatever happens.
///
/// What `body` maps or keeps open stays usable afterwards, as with any unlinked file.
package func withTemporaryFile<Value>(
    _ bytes: [UInt8], _ body: (FilePath) throws -> Value
) throws -> Value {
    let name = "hermes-test-\(getpid())-\(UInt64.random(in: .min ... .max))"
    let path = FilePath(P_tmpdir).appending(name)
    let descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
    defer { unsafe unlink(path.string) }
    try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
    return try body(path)
}
