/// What kind of number ours is for a point, and what the reader has to know of it.
extension PointRules {
    package func origin(of row: PublishedTable.Row) -> ReproducedPoint.Origin {
        switch (row.system, row.metric) {
        // The synthetic activity was set to it.
        case (_, "hot_neurons_with_varied_activity"): .input
        // Its schedule divides a token's time by these shares.
        case ("DejaVu", "share_communication"), ("DejaVu", "predictor_share_of_compute"): .input
        // No emulation could come to anything but 0.
        case ("Hermes", "predictor_share"): .input
        case (_, "time"): .measured
        case (_, "size"): .modelled
        default: .emulated
        }
    }

    /// Why a point without a formula has none.
    package func absence(for row: PublishedTable.Row) -> String {
        switch (row.system, row.metric) {
        case ("oracle/fixed partition", _):
            "no emulation chooses the GPU's neurons by the future: an oracle knows who is computed "
                + "or how DIMMs will be loaded, but copies follow what was active"
        case (_, "migration_share_without_DIMM-link"), ("DIMM-link vs host copy", _):
            "neurons move from DIMM to DIMM over DIMM-links alone: the paper gives no rate of a "
                + "copy through the host, and the channels' rates do not imply it"
        default: "no rule for this point"
        }
    }

    /// Where ours is not quite what the point's name says; empty where it is.
    package func remark(on row: PublishedTable.Row) -> String {
        switch (row.system, row.metric) {
        case ("Hermes", "predictor_share"):
            "an assumption: prediction runs beside the GPU and takes no time"
        case ("DejaVu", "share_communication"), ("DejaVu", "predictor_share_of_compute"):
            "its schedule was given this share of a token; ours has the prefill, too"
        case (_, "hot_neurons_with_varied_activity"): "the synthetic activity was set to it"
        case ("predictor", "accuracy"):
            "of synthetic activity, whose spells and parents were set to the similarity of tokens "
                + "that the paper reports"
        case ("Hermes", "migration_share_with_DIMM-link"):
            "ours is an upper bound, which may lie above the published one: all remapped neurons "
                + "over one link, one after another"
        case ("Hermes-base", "compute_on_DIMM"):
            "ours is the share of the weights that is not on the GPU, in place of computing"
        case ("GPU residency", _) where row.model == "OPT-13B":
            "the rule that the GPU's memory is full when a run begins was made with it in sight"
        default: ""
        }
    }
}
