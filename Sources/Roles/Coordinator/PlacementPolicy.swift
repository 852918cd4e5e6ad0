package import ActivationPredictor
package import Scheduling

/// Who decides, while a run goes on, which DIMM each cold neuron is at home on.
package enum RebalanceChoice: String, CaseIterable, Sendable {
    /// All stay where they start.
    case none
    /// Once after the first token, by the frequencies that the prompt showed.
    case fixed = "static"
    /// The paper's: every window of tokens (five), in pairs of DIMMs.
    case window
    /// The same, where the more loaded of a pair is above 1.15 of the mean.
    case windowAboveMean = "window-1.15"
    /// Every window all active neurons anew, the most active first.
    case longestFirst = "lpt"

    func rebalancer(
        layout: NeuronLayout, prefill: PrefillActivity, hot: [[UInt32]], windowTokenCount: Int
    ) -> any Rebalancer {
        switch self {
        case .none: NoRebalancer()
        case .fixed:
            StaticFrequencyRebalancer(
                prefill: prefill,
                hot: hot.map { [NeuronPlaces.set($0, of: layout.neuronCounts[0])] })
        case .window: WindowRebalancer(layout: layout, windowTokenCount: windowTokenCount)
        case .windowAboveMean:
            WindowRebalancer(
                layout: layout, windowTokenCount: windowTokenCount, minimumLoadPercent: 115)
        case .longestFirst:
            LongestProcessingTimeRebalancer(layout: layout, windowTokenCount: windowTokenCount)
        }
    }
}

/// How feed-forward neurons move during a run.
///
/// What is decided rests on activity and on the modelled machine alone, under every clock.
package struct PlacementPolicy: Sendable {
    package let rebalancing: RebalanceChoice
    /// Whether neurons that become hot get a copy on the GPU, over the coldest ones' copies.
    package let adjustsHotSet: Bool
    /// Tells which DIMMs have a link and how much reaches the GPU while it is busy, in a native
    /// run too.
    package let machine: EmulatedMachine
    /// The largest message of the links between DIMMs.
    package let peerMessageByteCount: Int
    /// How states rise and fall, and above which a neuron is hot.
    package let constants: PredictorConstants
    /// Tokens of a window, after which neurons move.
    package let windowTokenCount: Int

    /// The paper's window.
    package static let standardWindowTokenCount = 5

    package init(
        rebalancing: RebalanceChoice, adjustsHotSet: Bool, machine: EmulatedMachine,
        peerMessageByteCount: Int, constants: PredictorConstants = .paper,
        windowTokenCount: Int = standardWindowTokenCount
    ) {
        self.windowTokenCount = windowTokenCount
        self.rebalancing = rebalancing
        self.adjustsHotSet = adjustsHotSet
        self.machine = machine
        self.peerMessageByteCount = peerMessageByteCount
        self.constants = constants
    }

    /// Slots for newcomers in each layer of a DIMM: a quarter of the neurons that it starts with,
    /// and some for the smallest models. Neurons that find none stay where they are.
    package static func spareSlotCount(neuronCount: Int, dimmCount: Int) -> Int {
        min(neuronCount, max(leastSpareSlotCount, neuronCount / dimmCount / 4))
    }

    private static let leastSpareSlotCount = 16
}

/// What a run's moving neurons came to.
package struct MigrationRecord: Sendable {
    /// Nothing moved yet.
    package init() {}

    /// Copies on the GPU that others overwrote.
    package internal(set) var hotSwapCount = 0
    /// Neurons that changed their DIMM.
    package internal(set) var remapCount = 0
    /// Remaps that were wanted and not made: no link between the two, or no room.
    package internal(set) var refusedRemapCount = 0
    /// Remaps that were begun and left the neuron where it was.
    package internal(set) var abortedRemapCount = 0
    /// Weights that crossed DIMM-links, and those that went to the GPU.
    package internal(set) var remapByteCount = 0
    package internal(set) var hotSwapByteCount = 0
    /// Active cold neurons of the busiest DIMM over the mean, per layer and token: as they were
    /// at home then, and as they would have been had none moved between DIMMs.
    package internal(set) var imbalance = LoadImbalance()
    package internal(set) var imbalanceUnmoved = LoadImbalance()
}
