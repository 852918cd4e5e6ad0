// With SpawnedProcess.swift the suite's only unsafe code: calls that take pointers.
import Glibc

/// Ports of this machine's loopback.
enum LocalPorts {
    /// Ports that nobody listens at now.
    static func free(_ count: Int) throws -> [UInt16] {
        var found: [UInt16] = []
        var open: [Int32] = []
        defer { for number in open { close(number) } }
        while found.count < count {
            let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            open.append(number)
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = unsafe withUnsafeMutableBytes(of: &place) { raw in
                guard let base = raw.baseAddress else { return Int32(-1) }
                let address = unsafe base.assumingMemoryBound(to: sockaddr.self)
                guard unsafe bind(number, address, length) == 0 else { return -1 }
                return unsafe getsockname(number, address, &length)
            }
            guard status == 0 else { throw Errno() }
            found.append(UInt16(bigEndian: place.sin_port))
        }
        return found
    }

    /// A connection to a port of this machine; nil when nobody listens. To be closed by the caller.
    static func connect(to port: UInt16) -> Int32? {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = unsafe withUnsafeBytes(of: &place) { raw in
            guard let base = raw.baseAddress else { return Int32(-1) }
            return unsafe Glibc.connect(
                number, base.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
        if status == 0 { return number }
        close(number)
        return nil
    }

    struct Errno: Error {}
}
