/// A zip file that is put together byte by byte, so that each rule can be broken alone. As it
/// stands it is in order, with stored entries.
struct HandmadeArchive {
    struct Entry {
        var name: String
        var content: [UInt8]
        var flags: UInt16 = 0
        var method: UInt16 = 0
        /// Nil for the content's own.
        var checksum: UInt32?
        var byteCount: UInt32?
        var storedByteCount: UInt32?
        var offset: UInt32?
    }

    var entries: [Entry]
    var comment: [UInt8] = []
    var disk: UInt16 = 0
    /// Nil for the number of entries.
    var entryCount: UInt16?
    /// Added to the directory's offset.
    var shift: UInt32 = 0

    init(_ arrays: [(String, [UInt8])]) {
        entries = arrays.map { Entry(name: $0.0 + ".npy", content: $0.1) }
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = entry.offset ?? UInt32(bytes.count)
            let common =
                little(UInt16(20)) + little(entry.flags) + little(entry.method)
                + little(UInt32(0)) + little(entry.checksum ?? referenceChecksum(entry.content))
                + little(entry.storedByteCount ?? UInt32(entry.content.count))
                + little(entry.byteCount ?? UInt32(entry.content.count))
                + little(UInt16(entry.name.utf8.count)) + little(UInt16(0))
            bytes += little(UInt32(0x0403_4B50)) + common + Array(entry.name.utf8) + entry.content
            directory += little(UInt32(0x0201_4B50)) + little(UInt16(20)) + common
            directory += little(UInt16(0)) + little(UInt16(0)) + little(UInt16(0))
            directory += little(UInt32(0)) + little(offset) + Array(entry.name.utf8)
        }
        let count = little(entryCount ?? UInt16(entries.count))
        let end =
            little(UInt32(0x0605_4B50)) + little(disk) + little(disk) + count + count
            + little(UInt32(directory.count)) + little(UInt32(bytes.count) &+ shift)
            + little(UInt16(comment.count)) + comment
        return bytes + directory + end
    }

    /// A .npy file.
    static func array(
        _ type: String, _ shape: String, _ content: [UInt8], version: UInt8 = 1,
        order: String = "False"
    ) -> [UInt8] {
        array(
            header: "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n",
            content, version: version)
    }

    static func array(header: String, _ content: [UInt8], version: UInt8 = 1) -> [UInt8] {
        let text = Array(header.utf8)
        let length = version == 1 ? little(UInt16(text.count)) : little(UInt32(text.count))
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + content
    }
}
