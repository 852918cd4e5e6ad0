import Messages

/// One failure that is made to happen on purpose, at one point of a run.
///
/// Written `ACTION[:SECONDS]@KEY=VALUE,...`, such as `kill@token=3,layer=2,step=mlp,dimm=1`,
/// `stop:0.5@token=4` or `refuse-memory@restart=1`. What a text leaves open is drawn from the
/// run's seed.
package struct Fault: Equatable, Sendable {
    /// What happens.
    package enum Action: String, CaseIterable, Sendable {
        /// The worker is killed (SIGKILL).
        case kill
        /// The worker is stopped (SIGSTOP), for good or for some seconds.
        case stop
        /// The worker sleeps before it goes on.
        case delay
        /// From here on the worker takes so many times as long for every request.
        case slow
        /// The coordinator is killed (SIGKILL).
        case killCoordinator = "kill-coordinator"
        /// A message is published and nobody is woken.
        case loseDoorbell = "lose-doorbell"
        /// The sender dies with half of a message written.
        case halfWritten = "half-written"
        /// A message arrives with a wrong byte.
        case corruptPayload = "corrupt-payload"
        /// The record of a message does not say what it should.
        case corruptHeader = "corrupt-header"
        /// A record's number is not the next one.
        case skipSequence = "skip-sequence"
        /// The worker that takes a lost one's place gets no memory.
        case refuseMemory = "refuse-memory"
        /// The worker that takes a lost one's place cannot read the model.
        case loseModel = "lose-model"
        /// There is no shared memory for the worker that takes a lost one's place.
        case fillSharedMemory = "full-shm"

        /// Whether it happens when a worker takes another's place, not at a token.
        package var isAtRestart: Bool {
            switch self {
            case .refuseMemory, .loseModel, .fillSharedMemory: true
            default: false
            }
        }

        /// Whether the worker that it hits is replaced.
        package var endsWorker: Bool {
            switch self {
            case .kill, .stop, .halfWritten, .corruptHeader, .skipSequence: true
            default: false
            }
        }

        /// Whether it is a failure of a message on its way, so that either side's can be meant.
        package var isOfMessage: Bool {
            switch self {
            case .loseDoorbell, .corruptPayload, .corruptHeader, .skipSequence: true
            default: false
            }
        }
    }

    /// The part of a layer.
    package enum Step: String, CaseIterable, Comparable, Sendable {
        case qkv
        case attention
        /// Neurons move while the projection runs.
        case move
        case mlp

        package static func < (first: Step, second: Step) -> Bool { first.rank < second.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

        init?(_ kind: MessageKind) {
            switch kind {
            case .projectQKV: self = .qkv
            case .attend: self = .attention
            case .giveNeurons, .takeNeurons, .sendNeurons: self = .move
            case .feedForward: self = .mlp
            default: return nil
            }
        }
    }

    /// Whether it happens on the way there or back.
    package enum Side: String, CaseIterable, Sendable {
        case request
        case answer
    }

    /// Where a run is.
    package struct Point: Comparable, Sendable {
        /// Of decoding, from 0.
        package var token: Int
        package var layer: Int
        package var step: Step

        package init(token: Int, layer: Int, step: Step) {
            self.token = token
            self.layer = layer
            self.step = step
        }

        package static func < (first: Point, second: Point) -> Bool {
            (first.token, first.layer, first.step) < (second.token, second.layer, second.step)
        }
    }

    package var action: Action
    /// Of a stop (`nil`: for good) or a delay, seconds; how many times as slow.
    package var value: Double?
    package var dimm: Int
    /// It happens at the first message to the DIMM that is not before this point.
    package var point: Point
    package var side: Side
    /// Which of the workers that take a lost one's place is hit, from 1.
    package var restart: Int

    package init(
        _ action: Action, value: Double? = nil, dimm: Int, point: Point, side: Side = .answer,
        restart: Int = 1
    ) {
        self.action = action
        self.value = value
        self.dimm = dimm
        self.point = point
        self.side = side
        self.restart = restart
    }
}

extension Fault: CustomStringConvertible {
    /// The text that gives this fault again.
    package var description: String {
        let value = value.map { ":\($0)" } ?? ""
        guard !action.isAtRestart else {
            return "\(action.rawValue)@dimm=\(dimm),restart=\(restart)"
        }
        return "\(action.rawValue)\(value)@dimm=\(dimm),token=\(point.token),"
            + "layer=\(point.layer),step=\(point.step.rawValue),side=\(side.rawValue)"
    }
}
