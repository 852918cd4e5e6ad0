import Foundation
import Glibc
import SystemPackage

/// SHA-256 of a model file, remembered in the cache for as long as the file does not change.
enum ModelHash {
    /// Hashes the file that is open, whatever its path names by now.
    ///
    /// - Returns: 64 hexadecimal digits.
    static func hexadecimal(of loaded: LoadedModel) throws -> String {
        try hexadecimal(of: loaded.descriptor)
    }

    static func hexadecimal(of descriptor: FileDescriptor) throws -> String {
        let path = "/proc/\(getpid())/fd/\(descriptor.rawValue)"
        let key = try identity(of: path)
        let record = Locations.cacheFolder() + "/hashes/" + key
        if let known = try? String(contentsOfFile: record, encoding: .utf8), isHash(known) {
            return known
        }
        let hash = try compute(path)
        // Only a cache: a read-only home folder costs time, nothing else.
        try? WholeFile.write(Array(hash.utf8), to: record)
        return hash
    }

    /// Of any file, remembered; throws exit 65 for one that cannot be read.
    static func hexadecimal(ofFile path: String) throws -> String {
        guard let descriptor = try? unsafe FileDescriptor.open(path, .readOnly) else {
            throw Failure(.badInput, "cannot read '\(path)'")
        }
        defer { try? descriptor.close() }
        return try hexadecimal(of: descriptor)
    }

    /// Of the running program.
    static func ofProgram() throws -> String { try compute("/proc/\(getpid())/exe") }

    private static func isHash(_ text: String) -> Bool {
        text.utf8.count == 64 && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    /// - Returns: the 32 bytes.
    static func bytes(of loaded: LoadedModel) throws -> [UInt8] {
        let digits = Array(try hexadecimal(of: loaded))
        return stride(from: 0, to: 64, by: 2).map {
            UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0
        }
    }

    /// Device, inode, size and times: they change when the content does.
    private static func identity(of path: String) throws -> String {
        var facts = stat()
        guard unsafe stat(path, &facts) == 0 else {
            throw Failure(.badInput, "cannot examine model file '\(path)'")
        }
        let numbers = [
            Int(facts.st_dev), Int(facts.st_ino), facts.st_size, facts.st_mtim.tv_sec,
            facts.st_mtim.tv_nsec, facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec,
        ]
        return numbers.map { String($0) }.joined(separator: "-")
    }

    /// Runs coreutils' sha256sum, which every Debian-like machine has.
    private static func compute(_ path: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["sha256sum", "--", path]
        let output = Pipe()
        process.standardOutput = output
        do {
            try process.run()
        } catch {
            throw Failure(.machineLacks, "cannot run sha256sum (Debian package coreutils)")
        }
        let reader = FileDescriptor(rawValue: output.fileHandleForReading.fileDescriptor)
        let text: String
        do {
            text = String(
                decoding: try WholeFile.read(reader, name: "the output of sha256sum"),
                as: UTF8.self)
        } catch {
            process.terminate()
            process.waitUntilExit()
            throw error
        }
        process.waitUntilExit()
        // A signal of the terminal ends sha256sum too.
        try Interruption.check()
        // A name with a backslash or newline makes the line start with a backslash.
        let hash = text.drop { $0 == "\\" }.prefix(64)
        guard process.terminationStatus == 0, isHash(String(hash))
        else { throw Failure(.machineLacks, "sha256sum could not hash '\(path)'") }
        return String(hash)
    }
}
