/// Where a process listens: a host's name or number, and a port.
package struct ConnectionAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`, with an IPv6 number in brackets: `[::1]:7000`.
    package init(_ text: String) throws(ConnectionError) {
        guard let colon = text.lastIndex(of: ":") else {
            throw .address(text, rule: "it must be HOST:PORT")
        }
        guard let port = UInt16(text[text.index(after: colon)...]) else {
            throw .address(text, rule: "its port must be a number from 0 to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .address(text, rule: "an IPv6 number stands in brackets")
        }
        guard !host.isEmpty, !host.utf8.contains(0) else {
            throw .address(text, rule: "it names no host")
        }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
