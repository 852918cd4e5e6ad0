// The module's only unsafe code: calls that take pointers, and reading the kernel's small files.
internal import Glibc
internal import SystemPackage

/// Small text files of the kernel below a root, which is empty except in tests.
struct KernelFiles {
    let root: String

    /// The whole text, or `nil` where it cannot be read.
    func text(_ path: String) -> String? {
        guard
            let file = try? unsafe FileDescriptor.open(
                root + path, .readOnly, options: .closeOnExec)
        else { return nil }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = try? unsafe part.withUnsafeMutableBytes {
                try unsafe file.read(into: $0)
            }
            guard let count else { return nil }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += part.prefix(count)
        }
    }

    /// The first word of a file.
    func word(_ path: String) -> String? {
        text(path)?.split(whereSeparator: \.isWhitespace).first.map { String($0) }
    }

    /// The number that a file of one number holds.
    func number(_ path: String) -> Int? { word(path).flatMap { Int($0) } }

    /// The first word after `key` on the line that has it.
    func field(_ key: String, of path: String) -> String? {
        for line in (text(path) ?? "").split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let index = words.firstIndex(where: { $0 == key }), index + 1 < words.count
            else { continue }
            return String(words[index + 1])
        }
        return nil
    }

    /// A count of kB after `key`, in bytes.
    func kibibytes(_ key: String, of path: String) -> Int? {
        field(key, of: path).flatMap { Int($0) }.flatMap { count in
            let (byteCount, overflow) = count.multipliedReportingOverflow(by: 1024)
            return overflow ? nil : byteCount
        }
    }

    /// Free memory of a node, and what clean file pages would give back.
    func reclaimableByteCount(ofNode number: Int) -> Int? {
        let path = "/sys/devices/system/node/node\(number)/meminfo"
        guard let free = kibibytes("MemFree:", of: path) else { return nil }
        let filePages = ["Active(file):", "Inactive(file):"].map {
            kibibytes($0, of: path) ?? 0
        }
        let dirty = kibibytes("Dirty:", of: path) ?? 0
        return free + max(0, filePages.reduce(0, +) - dirty)
    }
}

/// Size and free room of the file system at a path that this process may write to.
func fileSystemRoom(_ path: String) -> (byteCount: Int, freeByteCount: Int)? {
    var status = statvfs()
    guard unsafe statvfs(path, &status) == 0, unsafe access(path, W_OK) == 0 else { return nil }
    let unit = Int(status.f_frsize)
    return (Int(status.f_blocks) * unit, Int(status.f_bavail) * unit)
}

/// RLIMIT_MEMLOCK, soft, in bytes; `nil` when there is none.
func lockedMemoryLimit() -> Int? {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit) == 0 else {
        return nil
    }
    return Int(exactly: limit.rlim_cur)
}

/// Where a program is that a shell would find.
func programPath(_ name: String) -> String? {
    guard let variable = unsafe getenv("PATH") else { return nil }
    let folders = unsafe String(cString: variable).split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { unsafe access($0, X_OK) == 0 }
}

/// Names in a folder, without those that begin with a dot; none where there is no such folder.
func entries(ofFolder path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
            unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) {
                unsafe String(cString: $0)
            }
        }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names
}
