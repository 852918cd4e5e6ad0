import NUMABinding
import Testing

@Suite struct BindingRequestTests {
    private let pages = [0: 10, 1: 3, 2: 1]

    @Test(arguments: [
        (MemoryPolicy.bind([0]), 4, true), (.bind([0, 1]), 1, true), (.bind([0, 1, 2]), 0, true),
        (.interleave([1, 2]), 10, true), (.preferred(1), 11, false), (.local, 4, false),
        (.standard, 0, false),
    ])
    func `Pages elsewhere are counted against what was asked`(
        policy: MemoryPolicy, elsewhere: Int, isPromise: Bool
    ) {
        let request = BindingRequest(processors: [0], memory: policy)
        #expect(request.pageCountElsewhere(pages) == elsewhere)
        #expect(request.isPromise == isPromise)
        let mismatches = request.mismatches(pages: [("weights", pages)], threads: [0: 1])
        #expect(mismatches.isEmpty == (elsewhere == 0))
    }

    @Test func `A request for nothing is met by anything`() {
        let request = BindingRequest(processors: [0], memory: nil)
        #expect(request.mismatches(pages: [("weights", pages)], threads: [1: 2]).isEmpty)
        #expect(!request.isPromise)
    }

    @Test func `A mismatch names region, pages and nodes, and threads that strayed`() {
        let request = BindingRequest(processors: [0], memory: .bind([0]))
        let mismatches = request.mismatches(
            pages: [("weights", [0: 48, 1: 16]), ("the KV cache", [0: 5])], threads: [0: 1, 1: 1])
        #expect(
            mismatches == [
                "16 of 64 pages of weights are on node 1, not 0", "threads ran on node 0,1, not 0",
            ])
    }

    @Test func `A request is applied, and a node that is not there is refused`() async {
        await #expect(processExitsWith: .success) {
            let node = try #require(NUMAMachine.current.allowedNodes.first)
            try BindingRequest(processors: [node], memory: nil).apply()
            try #require(try NUMABinding.threadPolicy() == .standard)
            try BindingRequest(processors: [node], memory: .interleave([node])).apply()
            try #require(try NUMABinding.threadPolicy() == .interleave([node]))
            let missing = (NUMAMachine.current.nodeNumbers.last ?? 0) + 1
            do {
                try BindingRequest(processors: [node], memory: .bind([missing])).apply()
            } catch {
                return
            }
            throw NUMABindingError.unavailable(reason: "a missing node was accepted")
        }
    }
}
