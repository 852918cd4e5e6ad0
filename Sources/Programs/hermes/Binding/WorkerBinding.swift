import ArgumentParser
import DIMMWorker
import Foundation
import Glibc
import HostFacts
import MappedMemory
import Messages
import NUMABinding
import Supervision
import SystemPackage
import Topology

/// How a worker is told what to bind.
struct WorkerBindingOptions: ParsableArguments {
    @Option(help: "NUMA nodes whose CPUs the worker runs on, comma-separated.")
    var nodes: NodeList

    @Option(help: "Where its memory comes from.")
    var memoryPolicy: Topology.MemoryChoice

    @Option(help: "The nodes that the memory policy speaks of, comma-separated.")
    var memoryNodes: NodeList

    @Option(help: "Huge pages for weights and KV cache.")
    var hugePages = Topology.HugePageChoice.off

    @Flag(help: "Lock weights and KV cache in memory.")
    var lockMemory = false

    @Flag(help: "Go on where the kernel refuses, and say so.")
    var bestEffort = false

    var request: BindingRequest {
        BindingRequest(
            processors: nodes.numbers,
            memory: MemoryPolicy(memoryPolicy, nodes: memoryNodes.numbers))
    }
}

/// Numbers of this machine's nodes as an argument: "0,2".
struct NodeList: ExpressibleByArgument {
    let numbers: [Int]

    init(_ numbers: [Int]) { self.numbers = numbers }

    init?(argument: String) {
        let numbers = argument.split(separator: ",").map { Int($0) }
        guard !numbers.isEmpty, !numbers.contains(nil) else { return nil }
        self.numbers = numbers.compactMap { $0 }
    }

    var description: String { numbers.map { String($0) }.joined(separator: ",") }
}

extension Topology.MemoryChoice: ExpressibleByArgument {}
extension Topology.HugePageChoice: ExpressibleByArgument {}

extension MemoryPolicy {
    /// - Returns: `nil` where nothing is to be bound.
    init?(_ choice: Topology.MemoryChoice, nodes: [Int]) {
        switch choice {
        case .bind: self = .bind(nodes)
        case .preferred: self = .preferred(nodes[0])
        case .interleave: self = .interleave(nodes)
        case .local: self = .local
        case .firstTouch: return nil
        }
    }
}

/// Binds a worker to its nodes, and later proves where its memory lies.
final class WorkerBinding: FactProbe {
    private let options: WorkerBindingOptions
    private let request: BindingRequest
    private var refusals: [String] = []
    private var isLoaded = false

    private init(_ options: WorkerBindingOptions) {
        self.options = options
        request = options.request
    }

    /// Binds this process's thread and its future memory.
    ///
    /// A kernel that refuses (containers often do) is fatal where nodes differ (exit 69) and the
    /// user did not allow best effort; with one node any placement is the right one. Whenever the
    /// worker goes on, the refusal travels with its facts.
    static func bind(as options: WorkerBindingOptions) throws -> WorkerBinding {
        let binding = WorkerBinding(options)
        do {
            try binding.request.apply()
        } catch {
            guard options.bestEffort || NUMAMachine.current.nodes.count == 1 else {
                throw Failure(.machineLacks, "NUMA binding: \(error)")
            }
            binding.refusals.append("\(error)")
        }
        return binding
    }

    /// Memory as the topology asks for it. An empty pool of huge pages is fatal (exit 73, by
    /// ``WorkerCommand``) unless best effort will do: then base pages, and the refusal travels with
    /// the facts.
    func allocate(
        byteCount: Int, purpose: String
    ) throws(MappedMemoryError) -> AnonymousMapping {
        if options.hugePages == .hugetlbfs {
            do throws(MappedMemoryError) {
                guard let pageByteCount = HostFacts.HugePages.current().pageByteCount else {
                    throw .system(.takeHugePages, object: purpose, cause: .notSupported)
                }
                return try AnonymousMapping.createPooled(
                    byteCount: byteCount, pageByteCount: pageByteCount, purpose: purpose)
            } catch {
                guard options.bestEffort else { throw error }
                refusals.append("\(error); base pages are used")
            }
        }
        return try AnonymousMapping.create(byteCount: byteCount, purpose: purpose)
    }

    func facts(
        weights: borrowing AnonymousMapping, keysAndValues: borrowing AnonymousMapping
    ) -> WorkerFacts {
        if !isLoaded {
            prepare(weights)
            prepare(keysAndValues)
        }
        isLoaded = true
        var facts = facts(regions: [
            (.weights, pages(of: weights)), (.keysAndValues, pages(of: keysAndValues)),
        ])
        facts.weightByteCount = UInt64(weights.byteCount)
        facts.keyValueByteCount = UInt64(keysAndValues.byteCount)
        return facts
    }

    func facts(of memory: borrowing AnonymousMapping) -> WorkerFacts {
        if !isLoaded { prepare(memory) }
        isLoaded = true
        return facts(regions: [(.weights, pages(of: memory))])
    }

    private func facts(
        regions: [(subject: Whereabouts.Subject, pages: PagePlacement?)]
    ) -> WorkerFacts {
        let known = regions.compactMap(\.pages)
        let placement =
            known.count < regions.count
            ? nil : known.reduce(into: PagePlacement()) { total, pages in total += pages }
        let memory = try? ProcessMemory.read(processIdentifier: getpid())
        var facts = WorkerFacts(
            weightByteCount: 0, keyValueByteCount: 0,
            node: (try? NUMABinding.currentNode()).map { UInt64($0) } ?? WorkerFacts.unknown,
            pagesOnNode: placement.map { UInt64(presentCount($0)) } ?? WorkerFacts.unknown,
            pagesElsewhere: placement.map {
                UInt64(request.pageCountElsewhere($0.pageCountByNode))
            } ?? WorkerFacts.unknown,
            pagesUntouched: placement.map { UInt64($0.untouchedPageCount) }
                ?? WorkerFacts.unknown,
            processorNanoseconds: Self.processorNanoseconds(),
            privateDirtyByteCount: memory.map {
                UInt64($0.privateDirtyByteCount + $0.pooledHugeByteCount)
            }
                ?? WorkerFacts.unknown)
        facts.whereabouts = Whereabouts(
            counts: regions.flatMap { Self.counts($0.subject, $0.pages?.pageCountByNode) }
                + Self.counts(.threads, ThreadPlaces.countByNode()),
            refusals: refusals,
            // Pages that the kernel made huge by itself are not those of the pool.
            hugePageByteCount: memory.map {
                UInt64(
                    options.hugePages == .hugetlbfs
                        ? $0.pooledHugeByteCount : $0.anonymousHugeByteCount)
            } ?? 0,
            lockedByteCount: UInt64(memory?.lockedByteCount ?? 0))
        return facts
    }

    /// Huge pages and locks, once the pages are there: the kernel collapses them where they lie.
    private func prepare(_ memory: borrowing AnonymousMapping) {
        do {
            if options.hugePages == .madvise, memory.byteCount >= Self.hugePageByteCount {
                try memory.advise(.hugePages)
                try memory.advise(.collapsed)
            }
            if options.lockMemory { try memory.lock() }
        } catch {
            refusals.append("\(error)")
        }
    }

    /// The size of a transparent huge page; smaller memory has no place for one.
    private static let hugePageByteCount: Int = {
        let path = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
        let text = try? String(contentsOfFile: path, encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 0
    }()

    private func pages(of memory: borrowing AnonymousMapping) -> PagePlacement? {
        do {
            return try NUMABinding.pagePlacement(of: memory.bytes)
        } catch {
            let refusal = "\(error)"
            if !refusals.contains(refusal) { refusals.append(refusal) }
            return nil
        }
    }

    private func presentCount(_ placement: PagePlacement) -> Int {
        let all = placement.pageCountByNode.values.reduce(0, +)
        return all - request.pageCountElsewhere(placement.pageCountByNode)
    }

    private static func counts(
        _ subject: Whereabouts.Subject, _ countByNode: [Int: Int]?
    ) -> [Whereabouts.Count] {
        (countByNode ?? [:]).sorted { $0.key < $1.key }
            .map { Whereabouts.Count(subject, node: $0.key, count: $0.value) }
    }

    private static func processorNanoseconds() -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else {
            return WorkerFacts.unknown
        }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
