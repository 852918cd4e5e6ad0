/// The fixed part in front of every message between the coordinator and a worker.
///
/// Byte layout, little-endian, 40 bytes; the payload follows at ``byteCount``:
///
///     0   kind        UInt16
///     2   layer       UInt16   transformer layer, 0 where none
///     4   position    UInt32   token position in the context (first one of several)
///     8   count       UInt32   meaning by kind, see ``MessageKind``
///     12  auxiliary   UInt32   meaning by kind
///     16  step        UInt64   counts requests; a reply carries its request's number
///     24  time        UInt64   emulated picoseconds since the start: when a request arrives at
///                              the DIMM, when a reply was ready there; 0 in a native run
///     32  delivery    UInt64   wall nanoseconds (CLOCK_MONOTONIC), in a paced run: before which
///                              the links have not delivered a request, the DIMM's work on a
///                              reply is not over; 0 where nothing waits. Bounds the receiver's
///                              wait and enters no emulated time
///
/// The header exists for the emulation; the emulated machine moves payloads.
package struct MessageHeader: Equatable, Sendable {
    package static let byteCount = 40

    package var kind: MessageKind
    package var layer: Int
    package var position: Int
    package var count: Int
    package var auxiliary: Int
    package var step: UInt64
    package var time: UInt64 = 0
    package var delivery: UInt64 = 0

    /// - Precondition: `layer` fits 16 bits, the other counts 32 bits.
    package init(
        _ kind: MessageKind, layer: Int = 0, position: Int = 0, count: Int = 0,
        auxiliary: Int = 0, step: UInt64
    ) {
        precondition(layer >= 0 && layer <= UInt16.max)
        precondition(position >= 0 && position <= UInt32.max)
        precondition(count >= 0 && count <= UInt32.max)
        precondition(auxiliary >= 0 && auxiliary <= UInt32.max)
        self.kind = kind
        self.layer = layer
        self.position = position
        self.count = count
        self.auxiliary = auxiliary
        self.step = step
    }

    /// Reads a header that a peer wrote. Throws ``LinkError/peerCorrupt(_:)`` on a message too
    /// short or of an unknown kind; the fields' ranges are for the receiving role to check.
    package init(decoding message: RawSpan) throws(LinkError) {
        guard message.byteCount >= Self.byteCount else {
            throw .peerCorrupt("a message of \(message.byteCount) bytes has no header")
        }
        let rawKind = message.word16(at: 0)
        guard let kind = MessageKind(rawValue: rawKind) else {
            throw .peerCorrupt("message kind \(rawKind) is unknown")
        }
        self.kind = kind
        layer = Int(message.word16(at: 2))
        position = Int(message.word32(at: 4))
        count = Int(message.word32(at: 8))
        auxiliary = Int(message.word32(at: 12))
        step = message.word64(at: 16)
        time = message.word64(at: 24)
        delivery = message.word64(at: 32)
    }

    /// Changes the auxiliary field of a message that is written already.
    package static func setAuxiliary(_ auxiliary: Int, in message: inout MutableRawSpan) {
        precondition(auxiliary >= 0 && auxiliary <= UInt32.max)
        message.storeBytes(of: UInt32(auxiliary), toByteOffset: 12, as: UInt32.self)
    }

    /// Writes the header to the first ``byteCount`` bytes of a message.
    package func encode(into message: inout MutableRawSpan) {
        message.storeBytes(of: kind.rawValue, toByteOffset: 0, as: UInt16.self)
        message.storeBytes(of: UInt16(layer), toByteOffset: 2, as: UInt16.self)
        message.storeBytes(of: UInt32(position), toByteOffset: 4, as: UInt32.self)
        message.storeBytes(of: UInt32(count), toByteOffset: 8, as: UInt32.self)
        message.storeBytes(of: UInt32(auxiliary), toByteOffset: 12, as: UInt32.self)
        message.storeBytes(of: step, toByteOffset: 16, as: UInt64.self)
        message.storeBytes(of: time, toByteOffset: 24, as: UInt64.self)
        message.storeBytes(of: delivery, toByteOffset: 32, as: UInt64.self)
    }
}

/// What a message asks or answers, and what its payload holds.
///
/// Floats are 32-bit, bit sets are 64-bit words with neuron slot `s` at bit `s % 64` of word
/// `s / 64`; a *slot* counts the neurons of the receiving DIMM in ascending order.
package enum MessageKind: UInt16, Sendable {
    // Coordinator to worker.
    /// Payload: ``WorkerConfiguration``. Answered by ``ready``, after the homes and the activity
    /// rules if any.
    case configure = 1
    /// Rows of the prefill for one KV head: `count` positions from `position`, KV head
    /// `auxiliary`. Payload: keys [count, headSize], then values [count, headSize]. No answer.
    case storeKeysAndValues = 2
    /// Payload: bit set of the slots to compute, then the normed input [hidden]. Answered by
    /// ``partialSum`` with q, k and v in one row [qkvWidth].
    case projectQKV = 3
    /// For each of the layer's KV heads that the DIMM owns, ascending (`count` of them): queries
    /// [group, headSize], key [headSize], value [headSize]. Answered by ``attentionContext``.
    case attend = 4
    /// Payload as ``projectQKV``. Answered by ``partialSum`` [hidden].
    case feedForward = 5
    /// No payload. Answered by ``farewell``; then the worker leaves.
    case shutDown = 6
    /// Which gates count as active in `layer`: `count` = the DIMM's slots. Payload: threshold
    /// Float, means [count], weights [count]. No answer.
    case setActivityRule = 7

    /// The emulated clock starts; everything before had no time. Payload: ``ClockSetting``.
    /// No answer.
    case startClock = 8

    /// Neurons of `layer`'s feed-forward block to hand to DIMM `auxiliary`, `count` of them.
    /// Payload: their slots, UInt32 each. Sent on as ``neuronTransfer``; answered by
    /// ``neuronsGiven``. The donor keeps them until ``releaseNeurons``.
    case giveNeurons = 9
    /// Neurons that DIMM `auxiliary` has sent, `count` of them; `step` is that of
    /// ``giveNeurons``. Payload: ``NeuronArrivals``. Answered by ``neuronsTaken``.
    case takeNeurons = 10
    /// `count` slots of `layer`'s feed-forward block are empty from now on. Payload: the slots,
    /// UInt32 each. No answer.
    case releaseNeurons = 11
    /// Neurons whose weights the GPU gets a copy of. Payload as ``giveNeurons``. Answered by
    /// ``neuronWeights``.
    case sendNeurons = 12
    /// Which neurons of `layer` are at home on the DIMM; layers ascend. Payload: the bit set of
    /// its QKV neurons, then that of its feed-forward neurons. No answer.
    case setHomes = 13

    /// In place of ``configure`` for a model of which there is only the shape. Payload:
    /// ``ShapeConfiguration``. Answered by ``ready``. Requests then differ in this: sets of slots
    /// are as many as the batch has sequences, one behind the other; ``storeKeysAndValues`` has
    /// `count` positions of all the DIMM's heads and sequences; ``attend``, whose `count` is the
    /// DIMM's heads, has all sequences'; requests that move neurons carry the block in `position`.
    case configureShape = 14

    // Coordinator to worker, when something went wrong.
    /// As ``storeKeysAndValues``, with keys that are not yet rotated, as ``attend`` had them.
    /// No answer.
    case restoreKeysAndValues = 15
    /// What `count` slots of `layer`'s feed-forward block hold: the worker loads the neurons from
    /// its own model. `position`: the block, for workers that hold several. Payload:
    /// ``NeuronPlacements``. No answer.
    case placeNeurons = 16
    /// The worker of DIMM `auxiliary` is another one now. Payload: UTF-8 text that says how to
    /// reach it. No answer.
    case replacePeer = 17
    /// What follows is what was sent from message number `count` on; answers ``damagedRequest``.
    case resume = 18

    // Worker to coordinator.
    /// Payload: ``WorkerFacts``.
    case ready = 33
    /// `count` elements, float32 or, in a sparse run, float64; `auxiliary` = how many neurons
    /// were actually active. Payload: ``WorkReport``, the elements, the bit set of the active
    /// slots.
    case partialSum = 34
    /// Payload: ``WorkReport``, then `count` heads' contexts, each [group, headSize].
    case attentionContext = 35
    /// Payload: ``WorkerFacts``, read again at the end.
    case farewell = 36
    /// The worker cannot go on. `auxiliary`: exit code to use; payload: UTF-8 text.
    case fault = 37
    /// The neurons are on their way to the other DIMM. Payload: ``WorkReport``.
    case neuronsGiven = 38
    /// `count` neurons are in the slots that ``takeNeurons`` named: all of them or, when they did
    /// not come, none. Payload: ``WorkReport``.
    case neuronsTaken = 39
    /// Payload: ``WorkReport``, then the weights of `count` neurons in the order asked for.
    case neuronWeights = 40
    /// Message number `count` since ``ready``, counted from 0, came damaged: it and all behind it
    /// are dropped until ``resume``. `auxiliary`: the number of the message that made the worker
    /// say so.
    case damagedRequest = 41

    // Worker to worker.
    /// Weights of `count` neurons of `layer`, in the order of ``giveNeurons``, whose `step` it
    /// has; `auxiliary` = the donor.
    case neuronTransfer = 65
}

extension MessageKind {
    /// Whether a serving worker answers such a message, and again when it is asked again; set-up,
    /// which ``ready`` ends, is not meant.
    package var isAnsweredRequest: Bool {
        switch self {
        case .projectQKV, .attend, .feedForward, .giveNeurons, .takeNeurons, .sendNeurons,
            .shutDown:
            true
        default: false
        }
    }
}
