/// The model families that this program computes, and in what they differ.
///
/// What is not named here they share: causal attention, then a feed-forward block, each behind a
/// norm of its own and added to the residual stream; a last norm before the output head.
package enum DecoderArchitecture: String, CaseIterable, Sendable {
    /// RMS norm, rotary positions on interleaved pairs, SwiGLU, no biases.
    /// Source: Touvron et al., "LLaMA", arXiv 2302.13971.
    case llama
    /// Layer norm, learned positions, ReLU without a gate, a bias on every product but the head.
    /// Source: Zhang et al., "OPT", arXiv 2205.01068; norms stand before the blocks, as in all
    /// its sizes but 350M.
    case opt

    /// What a norm divides by.
    package enum NormKind: Sendable {
        /// √(mean x² + ε); weights, no biases.
        case rootMeanSquare
        /// x − mean over √(variance + ε); weights and biases.
        case layer
    }

    package var norm: NormKind {
        switch self {
        case .llama: .rootMeanSquare
        case .opt: .layer
        }
    }

    /// Whether a neuron's activation is silu(gate) · up; otherwise it is max(0, up), so that a
    /// neuron whose up projection is not positive contributes exactly nothing.
    package var isGated: Bool {
        switch self {
        case .llama: true
        case .opt: false
        }
    }

    /// Whether q, k, v, the attention's output, up and down have biases.
    package var hasBiases: Bool {
        switch self {
        case .llama: false
        case .opt: true
        }
    }

    /// Whether the family's published models were taught turns; one that was not goes on with
    /// whatever text it is given.
    package var hasChatModels: Bool {
        switch self {
        case .llama: true
        case .opt: false
        }
    }

    /// The key of the norms' ε, behind the architecture's name.
    var normEpsilonKey: String {
        switch norm {
        case .rootMeanSquare: "attention.layer_norm_rms_epsilon"
        case .layer: "attention.layer_norm_epsilon"
        }
    }
}

/// How a model knows where in the context a token stands.
package enum PositionEncoding: Equatable, Sendable {
    /// Queries and keys are rotated by an angle that grows with the position.
    case rotary(RotaryEncoding)
    /// Row `position + rowOffset` of a table is added to the token's embedding.
    case learned(rowOffset: Int)
}

/// The rotation's constants.
package struct RotaryEncoding: Equatable, Sendable {
    /// Leading elements of a head that are rotated, in interleaved pairs; even.
    package let dimensionCount: Int
    package let base: Float
    /// Positions are divided by this (linear scaling); 1 where the model is not scaled.
    package let positionDivisor: Float
}
