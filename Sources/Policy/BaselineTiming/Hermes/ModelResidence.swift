package import ModelCatalogue
package import Quantities

/// What NDP-DIMMs, or a host in their place, must hold: every weight, hot ones too, and keys and
/// values.
///
/// - Source: arXiv 2502.16963, section IV (all neurons live on the DIMMs) and figure 14.
package enum ModelResidence {
    /// What they have to hold together.
    package static func neededByteCount(
        model: ModelSpecification, workload: Workload
    ) -> ByteCount {
        ByteCount(
            UInt64(
                model.weightByteCount + keyValueByteCount(model: model, workload: workload)))
    }

    /// Keys and values of all sequences at their ends.
    package static func keyValueByteCount(
        model: ModelSpecification, workload: Workload
    ) -> Int {
        model.keyValueByteCountPerPosition * workload.batchSize * workload.finalLength
    }
}
