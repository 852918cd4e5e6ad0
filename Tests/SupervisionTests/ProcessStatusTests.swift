import Glibc
import Supervision
import Testing

@Suite struct ProcessStatusTests {
    /// As a kernel wrote it, but for the name.
    private static let text =
        "4711 (a) b (c) T 42 4711 4711 0 -1 4194560 93 0 0 0 1 2 0 0 20 0 1 0 99887 3178496 224 "
        + "18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 5 0 0 0 0 0\n"

    @Test func `Fields are counted behind a name that holds anything`() throws {
        let status = try #require(ProcessStatus(text: Self.text))
        #expect(status.state == "T")
        #expect(status.parent == 42)
        #expect(status.startTime == 99_887)
        #expect(status.lastCPU == 5)
    }

    @Test(arguments: ["", "4711 (a", "4711 (a) S 42", "4711 (a) S x 1 1 0 -1"])
    func `What is cut short is none`(text: String) {
        #expect(ProcessStatus(text: text) == nil)
    }

    @Test func `This process has its parent`() throws {
        let status = try #require(ProcessStatus(processIdentifier: getpid()))
        #expect(status.parent == getppid())
        #expect(status.state == "R" || status.state == "S")
        #expect(ProcessStatus(processIdentifier: .max) == nil)
    }
}
