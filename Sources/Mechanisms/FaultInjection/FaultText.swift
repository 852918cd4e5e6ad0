/// A fault as it was written: what it leaves open is drawn.
package struct FaultText: Equatable, Sendable {
    private var action: Fault.Action
    private var value: Double?
    /// `kill*3` is three faults.
    private(set) var count = 1
    private var dimm: Int?
    private var token: Int?
    private var layer: Int?
    private var step: Fault.Step?
    private var side: Fault.Side?
    private var restart: Int?

    /// Sizes of a run, in which points are drawn.
    package struct Extent: Sendable {
        let tokenCount: Int
        let layerCount: Int
        let dimmCount: Int

        package init(tokenCount: Int, layerCount: Int, dimmCount: Int) {
            self.tokenCount = tokenCount
            self.layerCount = layerCount
            self.dimmCount = dimmCount
        }
    }

    /// Throws ``FaultTextError`` that names what is wrong.
    package init(_ text: String) throws(FaultTextError) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        var head = halves[0]
        if let star = head.firstIndex(of: "*") {
            guard let count = Int(head[head.index(after: star)...]), (1...10_000).contains(count)
            else { throw FaultTextError("\(text): behind * stands a count from 1 to 10000") }
            self.count = count
            head = head[..<star]
        }
        let parts = head.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let action = Fault.Action(rawValue: String(parts[0])) else {
            throw FaultTextError(
                "\(text): unknown action '\(parts[0])'; there are "
                    + Fault.Action.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self.action = action
        if parts.count == 2 {
            guard let number = Double(parts[1]), number.isFinite, (0...86_400).contains(number)
            else { throw FaultTextError("\(text): '\(parts[1])' is no number from 0 to 86400") }
            value = number
        }
        try checkValue(text)
        if halves.count == 2 { try read(halves[1], of: text) }
    }

    private func checkValue(_ text: String) throws(FaultTextError) {
        switch action {
        case .delay, .slow:
            guard value != nil else {
                throw FaultTextError(
                    "\(text): \(action.rawValue) needs a number, \(action.rawValue):N")
            }
        case .stop: break
        default:
            guard value == nil else {
                throw FaultTextError("\(text): \(action.rawValue) takes no number")
            }
        }
    }

    private mutating func read(
        _ places: Substring, of text: String
    ) throws(FaultTextError) {
        for place in places.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = place.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else {
                throw FaultTextError("\(text): '\(place)' is not KEY=VALUE")
            }
            try set(String(pair[0]), String(pair[1]), text)
        }
    }

    private mutating func set(
        _ key: String, _ value: String, _ text: String
    ) throws(FaultTextError) {
        func number() throws(FaultTextError) -> Int {
            guard let number = Int(value), (0...1_000_000).contains(number) else {
                throw FaultTextError("\(text): \(key) is a number from 0 to 1000000")
            }
            return number
        }
        guard action.isAtRestart == (key == "restart") || key == "dimm" else {
            throw FaultTextError("\(text): \(key) means nothing to \(action.rawValue)")
        }
        switch key {
        case "dimm": dimm = try number()
        case "token": token = try number()
        case "layer": layer = try number()
        case "restart":
            restart = try number()
            guard restart != 0 else {
                throw FaultTextError("\(text): restart counts from 1")
            }
        case "step":
            guard let step = Fault.Step(rawValue: value) else {
                throw FaultTextError("\(text): step is qkv, attention, move or mlp")
            }
            self.step = step
        case "side":
            guard let side = Fault.Side(rawValue: value) else {
                throw FaultTextError("\(text): side is request or answer")
            }
            self.side = side
        default:
            throw FaultTextError(
                "\(text): unknown key '\(key)'; there are dimm, token, layer, step, side, restart")
        }
    }

    /// The faults with what was left open drawn; throws for a point that the run does not have.
    package func faults(
        in extent: Extent, _ random: inout some RandomNumberGenerator
    ) throws(FaultTextError) -> [Fault] {
        var faults: [Fault] = []
        for _ in 0..<count {
            let drawn = Fault(
                action, value: value,
                dimm: .random(in: 0..<max(1, extent.dimmCount), using: &random),
                point: Fault.Point(
                    token: .random(in: 0..<max(1, extent.tokenCount), using: &random),
                    layer: .random(in: 0..<max(1, extent.layerCount), using: &random),
                    step: [.qkv, .attention, .mlp][Int.random(in: 0..<3, using: &random)]),
                side: Fault.Side.allCases[Int.random(in: 0..<2, using: &random)])
            faults.append(try filled(drawn, in: extent))
        }
        return faults
    }

    /// The fault of a text that leaves nothing open, as ``Fault/description`` writes it.
    package func only() throws(FaultTextError) -> Fault {
        guard let dimm else { throw FaultTextError("a fault without a DIMM") }
        guard let token, let layer, let step, let side else {
            throw FaultTextError("a fault without a point")
        }
        return Fault(
            action, value: value, dimm: dimm,
            point: Fault.Point(token: token, layer: layer, step: step), side: side)
    }

    private func filled(_ drawn: Fault, in extent: Extent) throws(FaultTextError) -> Fault {
        var fault = drawn
        fault.dimm = dimm ?? drawn.dimm
        fault.point.token = token ?? drawn.point.token
        fault.point.layer = layer ?? drawn.point.layer
        fault.point.step = step ?? drawn.point.step
        fault.side = side ?? drawn.side
        fault.restart = restart ?? 1
        guard fault.dimm < extent.dimmCount, fault.point.layer < extent.layerCount,
            fault.point.token < max(1, extent.tokenCount)
        else {
            throw FaultTextError(
                "\(fault): the run has \(extent.dimmCount) DIMMs, \(extent.layerCount) layers and "
                    + "\(extent.tokenCount) decoded tokens")
        }
        return fault
    }
}

/// What is wrong with a fault's text.
package struct FaultTextError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
