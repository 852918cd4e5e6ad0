import Coordinator
import Scheduling

/// What a run's moving neurons came to, as results show it.
extension MigrationRecord {
    func json(_ choice: PlacementChoice) -> JSONValue {
        .object([
            "rebalance": .string(choice.rebalancing.rawValue),
            "adjustment": .string(choice.adjustsHotSet ? "on" : "off"),
            "hot_swaps": .integer(hotSwapCount),
            "remaps": .integer(remapCount),
            "refused_remaps": .integer(refusedRemapCount),
            "aborted_remaps": .integer(abortedRemapCount),
            "bytes": .integer(remapByteCount + hotSwapByteCount),
            "dimm_link_bytes": .integer(remapByteCount),
            "gpu_bytes": .integer(hotSwapByteCount),
            // Active cold neurons of the busiest DIMM over the mean, per layer and token; where
            // nothing may move, nobody counts them.
            "imbalance": choice.movesNeurons
                ? [
                    "before": JSONValue(imbalanceUnmoved.mean),
                    "after": JSONValue(imbalance.mean),
                    "basis": "active_neurons",
                ] : .null,
        ])
    }

    var summaryLine: String {
        var line =
            "moved \(Text.grouped(remapCount)) neurons between DIMMs and "
            + "\(Text.grouped(hotSwapCount)) to the GPU, "
            + "\(Text.megabytes(remapByteCount + hotSwapByteCount)); imbalance of active neurons "
            + "\(Text.fixed(imbalanceUnmoved.mean, 3)) had none moved, "
            + "\(Text.fixed(imbalance.mean, 3)) as it was"
        if refusedRemapCount > 0 {
            line += "; \(Text.grouped(refusedRemapCount)) found no room or no link"
        }
        return line
    }
}
