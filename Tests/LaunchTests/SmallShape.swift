/// A model of 4 layers, small enough for many runs: written as a user would add one.
enum SmallShape {
    static let text = """
        format: 1
        name: Small
        family: opt                   # source: made up for a test
        activation: native-relu       # source: made up for a test
        layers: 4                     # source: made up for a test
        hidden: 1024                  # source: made up for a test
        feed_forward: 4096            # source: made up for a test
        gated: off                    # source: made up for a test
        query_heads: 16               # source: made up for a test
        key_value_heads: 4            # source: made up for a test
        head: 64                      # source: made up for a test
        vocabulary: 8192              # source: made up for a test
        head_tied: on                 # source: made up for a test
        learned_positions: 0          # source: made up for a test
        context: 2048                 # source: made up for a test
        weights: F16                  # source: made up for a test
        bytes_per_activation: 2       # source: made up for a test
        """

    static let layerCount = 4
    /// 1024 QKV neurons of 16 query and 2 x 4 KV heads, 4096 MLP neurons of two rows.
    static let neuronByteCount = layerCount * 2 * (1024 * 24 * 64 + 4096 * 2 * 1024)
    /// Keys and values of a position: those of 4 heads, which serve 16 query heads.
    static let rowByteCount = layerCount * 2 * 4 * 64 * 2
    /// No block fits the GPU beside projections and embeddings of 25.2 MB.
    static let onDIMMs = ["--set", "gpu.usable_memory=26MB"]
}
