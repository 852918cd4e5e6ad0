package import ModelCatalogue
package import Quantities

/// How many NDP-DIMMs a model needs: they hold every weight, hot ones too, and keys and values.
///
/// - Source: arXiv 2502.16963, section IV (all neurons live on the DIMMs) and figure 14.
package enum DIMMCapacity {
    /// What the DIMMs have to hold together.
    package static func neededByteCount(
        model: ModelSpecification, workload: Workload
    ) -> ByteCount {
        let cached =
            model.keyValueByteCountPerPosition * workload.batchSize * workload.finalLength
        return ByteCount(UInt64(model.weightByteCount + cached))
    }

    /// The smallest power of two of DIMMs that hold it; DIMMs fill channels in powers of two.
    ///
    /// - Parameter memory: of one DIMM, above zero.
    package static func minimumCount(
        model: ModelSpecification, workload: Workload, memory: ByteCount
    ) -> Int {
        precondition(memory > .zero)
        let needed = neededByteCount(model: model, workload: workload)
        var count = 1
        while memory.bytes * UInt64(count) < needed.bytes { count *= 2 }
        return count
    }

    /// Why some DIMMs cannot hold a model; `nil` if they can.
    package static func obstacle(
        model: ModelSpecification, workload: Workload, memories: [ByteCount]
    ) -> String? {
        let needed = neededByteCount(model: model, workload: workload)
        let capacity = memories.reduce(ByteCount.zero, +)
        guard needed > capacity else { return nil }
        return "weights, keys and values need \(needed), more than \(memories.count) DIMMs "
            + "of \(capacity) together"
    }
}
