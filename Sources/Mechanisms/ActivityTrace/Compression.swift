// The only file of this module with raw pointers: zlib and the kernel's calls take them.

import CZlib
import Glibc
import SystemPackage

/// A CRC-32 (zlib's) that goes on from `running`; 0 begins a new one.
func checksum(_ running: UInt32, _ bytes: [UInt8], in range: Range<Int>) -> UInt32 {
    unsafe bytes.withUnsafeBytes { buffer in
        let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[range])
        let start = unsafe part.bindMemory(to: UInt8.self).baseAddress
        // zlib takes a null pointer for "begin anew".
        guard let start = unsafe start, part.count > 0 else { return running }
        return UInt32(unsafe crc32_z(UInt(running), start, part.count))
    }
}

func checksum(_ running: UInt32, _ bytes: [UInt8]) -> UInt32 {
    checksum(running, bytes, in: 0..<bytes.count)
}

/// The heap address of a `z_stream`, which zlib keeps a pointer to: it must never move.
///
/// Sendable is sound: the struct is the only handle to the stream, and its uses are exclusive.
@safe
struct StreamAddress: ~Copyable, @unchecked Sendable {
    let stream: UnsafeMutablePointer<z_stream>
    private let end: @convention(c) (z_streamp?) -> Int32

    init(
        end: @escaping @convention(c) (z_streamp?) -> Int32,
        start: (UnsafeMutablePointer<z_stream>) -> Int32
    ) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe self.end = end
        let status = unsafe start(stream)
        // It fails for lack of memory (as Swift's own allocations, which trap) or wrong arguments.
        precondition(status == Z_OK, "zlib could not start")
    }

    deinit {
        _ = unsafe end(stream)
        unsafe stream.deallocate()
    }

    /// Points the stream at both ends of one call.
    func set(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) {
        let source = unsafe UnsafeMutableRawBufferPointer(mutating: input)
        unsafe stream.pointee.next_in = source.bindMemory(to: UInt8.self).baseAddress
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
        unsafe stream.pointee.avail_out = UInt32(output.count)
    }
}

/// Compresses one piece of data after the other by the deflate method, without a zlib header.
struct Deflater: ~Copyable, Sendable {
    /// What the data look like.
    enum Content {
        /// Activity: Huffman codes and runs of equal bytes. Measured on activity of real models,
        /// this is smaller than zlib's default, and much faster: matches are accidents there.
        case activity
        case tables
    }

    private let address: StreamAddress

    init(for content: Content) {
        address = unsafe StreamAddress(end: deflateEnd) { stream in
            unsafe deflateInit2_(
                stream, 6, Z_DEFLATED, -MAX_WBITS, 8,
                content == .activity ? Z_RLE : Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size))
        }
    }

    /// Appends the compressed form of `words` to `output` and returns true; or, where that would
    /// not be shorter than the words themselves, appends nothing and returns false.
    mutating func appendIfShorter<Word: BitwiseCopyable>(
        _ words: [Word], to output: inout [UInt8]
    ) -> Bool {
        let start = output.count
        let room = words.count * MemoryLayout<Word>.stride
        guard room > 0 else { return false }
        output.append(contentsOf: repeatElement(0, count: room))
        let byteCount = unsafe words.withUnsafeBytes { input in
            unsafe output.withUnsafeMutableBytes { buffer -> Int? in
                // One byte less than the words: an equally long form does not pay.
                let target = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: buffer[start..<start + room - 1])
                _ = unsafe deflateReset(address.stream)
                unsafe address.set(input, target)
                guard unsafe deflate(address.stream, Z_FINISH) == Z_STREAM_END else { return nil }
                return room - 1 - Int(unsafe address.stream.pointee.avail_out)
            }
        }
        output.removeLast(room - (byteCount ?? 0))
        return byteCount != nil
    }
}

/// Undoes ``Deflater``.
struct Inflater: ~Copyable, Sendable {
    private let address: StreamAddress

    init() {
        address = unsafe StreamAddress(end: inflateEnd) { stream in
            unsafe inflateInit2_(
                stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        }
    }

    /// Decompresses `input[range]` to all of `output`.
    ///
    /// - Returns: false if the input is no deflated data, or shorter or longer than the output.
    mutating func inflate<Word: BitwiseCopyable>(
        _ input: [UInt8], in range: Range<Int>, to output: inout [Word]
    ) -> Bool {
        unsafe input.withUnsafeBytes { bytes in
            unsafe output.withUnsafeMutableBytes { target in
                _ = unsafe inflateReset(address.stream)
                unsafe address.set(UnsafeRawBufferPointer(rebasing: bytes[range]), target)
                let status = unsafe CZlib.inflate(address.stream, Z_FINISH)
                return unsafe status == Z_STREAM_END && address.stream.pointee.avail_in == 0
                    && address.stream.pointee.avail_out == 0
            }
        }
    }

    /// No deflated data grow by more than this factor (zlib's technical page).
    static let maximumExpansion = 1032
}

/// Appends the bytes of `words`, as they stand in memory: little-endian on every machine we run on.
func appendBytes(of words: [UInt64], to output: inout [UInt8]) {
    unsafe words.withUnsafeBytes { unsafe output.append(contentsOf: $0) }
}

/// Fills `words` with equally many bytes of `input`.
func copyBytes(_ input: [UInt8], in range: Range<Int>, to words: inout [UInt64]) {
    unsafe words.withUnsafeMutableBytes { target in
        unsafe input.withUnsafeBytes { bytes in
            precondition(range.count == target.count)
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
    }
}

/// A regular file, open for reading; closed when its owner dies.
struct InputFile: ~Copyable, Sendable {
    let name: String
    let byteCount: Int
    private let descriptor: FileDescriptor

    /// Opens a regular file; a pipe is refused without waiting for its writer.
    static func open(_ path: FilePath) throws(ActivityTraceError) -> InputFile {
        let name = path.string
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                path, .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch {
            throw .system(.open, file: name, cause: error as? Errno ?? .ioError)
        }
        var status = stat()
        guard unsafe fstat(descriptor.rawValue, &status) == 0 else {
            let cause = Errno(rawValue: errno)
            try? descriptor.close()
            throw .system(.examine, file: name, cause: cause)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            try? descriptor.close()
            throw .refused(file: name, place: .file, rule: .notA("a regular file"))
        }
        return InputFile(adopting: descriptor, name: name, byteCount: Int(status.st_size))
    }

    private init(adopting descriptor: FileDescriptor, name: String, byteCount: Int) {
        self.descriptor = descriptor
        self.name = name
        self.byteCount = byteCount
    }

    deinit { try? descriptor.close() }

    /// Fills `buffer[..<count]` with the bytes from `offset` on.
    ///
    /// - Throws: also if the file has become shorter.
    func read(
        into buffer: inout [UInt8], count: Int, at offset: Int
    ) throws(ActivityTraceError) {
        precondition(offset >= 0 && count <= buffer.count)
        var done = 0
        while done < count {
            let step: Int
            do {
                step = try unsafe buffer.withUnsafeMutableBytes { bytes in
                    try unsafe descriptor.read(
                        fromAbsoluteOffset: Int64(offset + done),
                        into: UnsafeMutableRawBufferPointer(rebasing: bytes[done..<count]))
                }
            } catch {
                throw .system(.read, file: name, cause: error as? Errno ?? .ioError)
            }
            guard step > 0 else {
                throw .refused(
                    file: name, place: .file,
                    rule: .truncated(
                        neededByteCount: offset + count, availableByteCount: offset + done))
            }
            done += step
        }
    }

    /// The bytes of `range`, which lies inside the file.
    func bytes(in range: Range<Int>) throws(ActivityTraceError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: range.count)
        try read(into: &buffer, count: range.count, at: range.lowerBound)
        return buffer
    }
}
