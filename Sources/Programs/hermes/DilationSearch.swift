import Pacing
import Quantities

/// Looks for the smallest dilation at which a system keeps up: doubles until a trial does, narrows
/// down from there, and asks once more.
struct DilationSearch {
    /// Narrowed down until the answer is at most this factor above one that failed.
    private static let precision = 1.1
    /// More than this, and the answer is that the machine cannot do it.
    private let limit: Duration

    init(limit: Duration = .seconds(45)) { self.limit = limit }

    /// Wall time over emulated time of work that waits for nothing: less cannot suffice.
    static func bound(wall: Duration, emulated: EmulatedDuration) -> Dilation {
        guard emulated > .zero else { return .one }
        let thousandths = wall / .nanoseconds(1) * 1e6 / Double(emulated.picoseconds)
        return Dilation(
            thousandths: UInt64(min(max(1, thousandths), Double(Dilation.maximum.thousandths))))
    }

    /// - Parameters:
    ///   - bound: where to begin.
    ///   - keepsUp: whether a trial at a dilation misses few enough deadlines.
    func leastDilation(
        from bound: Dilation, keepsUp: (Dilation) throws -> Bool
    ) throws -> Dilation {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        var enough = bound
        var tooSmall: Dilation?
        while try !keepsUp(enough) {
            tooSmall = enough
            guard clock.now < deadline, enough.thousandths < Dilation.maximum.thousandths / 2
            else {
                throw Failure(
                    .machineLacks,
                    "no dilation up to \(enough) keeps the deadlines: this machine is too busy; "
                        + "give one with --dilation N")
            }
            enough = Dilation(thousandths: enough.thousandths * 2)
        }
        while let lower = tooSmall, clock.now < deadline,
            Double(enough.thousandths) > Self.precision * Double(lower.thousandths)
        {
            let product = Double(lower.thousandths) * Double(enough.thousandths)
            let middle = Dilation(thousandths: UInt64(product.squareRoot()))
            if middle <= lower || middle >= enough { break }
            if try keepsUp(middle) {
                enough = middle
            } else {
                tooSmall = middle
            }
        }
        // A trial can be lucky: the answer has to hold a second time, or a little more is tried.
        while clock.now < deadline, try !keepsUp(enough) {
            enough = Dilation(
                thousandths: min(
                    enough.thousandths / 4 * 5 + 1, Dilation.maximum.thousandths))
        }
        return enough
    }
}
