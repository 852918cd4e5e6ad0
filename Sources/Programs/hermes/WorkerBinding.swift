import DIMMWorker
import Glibc
import MappedMemory
import Messages
import NUMABinding
import Supervision

/// Binds a worker to its nodes, and later proves where its memory lies.
final class WorkerBinding: FactProbe {
    private let nodes: [Int]
    private let isBound: Bool

    private init(nodes: [Int], isBound: Bool) {
        self.nodes = nodes
        self.isBound = isBound
    }

    /// Binds this process's thread and its future memory.
    ///
    /// A kernel that refuses (containers often do) is fatal where nodes differ (exit 69); with one
    /// node any placement is the right one, so it is only reported.
    static func bind(toNodes nodes: [Int]) throws -> WorkerBinding {
        do {
            try NUMABinding.bindThread(toNodes: nodes)
            return WorkerBinding(nodes: nodes, isBound: true)
        } catch {
            guard NUMAMachine.current.nodes.count == 1 else {
                throw Failure(.machineLacks, "NUMA binding: \(error)")
            }
            return WorkerBinding(nodes: nodes, isBound: false)
        }
    }

    func facts(
        weights: borrowing AnonymousMapping, keysAndValues: borrowing AnonymousMapping
    ) -> WorkerFacts {
        var facts = facts(placement: pages(of: weights, and: keysAndValues))
        facts.weightByteCount = UInt64(weights.byteCount)
        facts.keyValueByteCount = UInt64(keysAndValues.byteCount)
        return facts
    }

    func facts(of memory: borrowing AnonymousMapping) -> WorkerFacts {
        facts(placement: try? NUMABinding.pagePlacement(of: memory.bytes))
    }

    private func facts(placement: PagePlacement?) -> WorkerFacts {
        let memory = try? ProcessMemory.read(processIdentifier: getpid())
        return WorkerFacts(
            weightByteCount: 0, keyValueByteCount: 0,
            node: (try? NUMABinding.currentNode()).map { UInt64($0) } ?? WorkerFacts.unknown,
            pagesOnNode: placement.map { UInt64(presentCount($0)) } ?? WorkerFacts.unknown,
            pagesElsewhere: placement.map { UInt64($0.pageCount(elsewhereThan: nodes)) }
                ?? WorkerFacts.unknown,
            pagesUntouched: placement.map { UInt64($0.untouchedPageCount) }
                ?? WorkerFacts.unknown,
            processorNanoseconds: Self.processorNanoseconds(),
            privateDirtyByteCount: memory.map { UInt64($0.privateDirtyByteCount) }
                ?? WorkerFacts.unknown)
    }

    private func pages(
        of weights: borrowing AnonymousMapping, and keysAndValues: borrowing AnonymousMapping
    ) -> PagePlacement? {
        guard var total = try? NUMABinding.pagePlacement(of: weights.bytes),
            let rest = try? NUMABinding.pagePlacement(of: keysAndValues.bytes)
        else { return nil }
        total += rest
        return total
    }

    private func presentCount(_ placement: PagePlacement) -> Int {
        nodes.reduce(0) { $0 + (placement.pageCountByNode[$1] ?? 0) }
    }

    private static func processorNanoseconds() -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else {
            return WorkerFacts.unknown
        }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
