import ConnectionProtocol
import Glibc
import SystemPackage
import TemporaryFiles
import Testing

/// Addresses, and the file of a secret.
@Suite struct AddressAndSecretTests {
    @Test(arguments: [
        ("node1:7000", "node1", 7000 as UInt16), ("[::1]:80", "::1", 80),
        ("10.0.7.1:0", "10.0.7.1", 0),
    ])
    func `Addresses are read as they are written`(
        text: String, host: String, port: UInt16
    ) throws {
        let address = try ConnectionAddress(text)
        #expect(address == ConnectionAddress(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: ["node1", ":7000", "node1:70000", "::1:80", "node1:"])
    func `What is no address is refused`(text: String) {
        #expect(throws: ConnectionError.self) { try ConnectionAddress(text) }
    }

    @Test func `A secret is read from a file that is nobody else's`() throws {
        let secret = SharedSecret.random()
        try withTemporaryFile(secret.content) { path in
            let loaded = try SharedSecret.load(path: path.string)
            #expect(loaded.content == secret.content)
            #expect(unsafe chmod(path.string, 0o640) == 0)
            let error = #expect(throws: ConnectionError.self) {
                try SharedSecret.load(path: path.string)
            }
            #expect(error?.description.contains("600") == true)
        }
        try withTemporaryFile([1, 2, 3]) { path in
            let error = #expect(throws: ConnectionError.self) {
                try SharedSecret.load(path: path.string)
            }
            #expect(error?.description.contains("16") == true)
        }
        #expect(throws: ConnectionError.self) { try SharedSecret.load(path: "/dev/null") }
        #expect(throws: ConnectionError.self) { try SharedSecret.load(path: "/nowhere/secret") }
    }
}
