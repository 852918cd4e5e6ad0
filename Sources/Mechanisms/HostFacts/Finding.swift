/// One fact about the machine, judged.
package struct Finding: Equatable, Sendable {
    package enum Status: String, CaseIterable, Sendable {
        case ok
        /// A run works; its figures are worse or less certain.
        case degraded
        /// Not there, or not permitted.
        case missing
    }

    /// A short stable name, such as `set_mempolicy`.
    package let subject: String
    package let status: Status
    /// What was found, with figures.
    package let observation: String
    /// Why a run cares.
    package let reason: String
    /// What to do about it; `nil` when nothing is to be done.
    package let remedy: String?
    /// Whether the demanded topology cannot run because of this.
    package let blocksRun: Bool

    init(
        _ subject: String, _ status: Status, _ observation: String, why reason: String,
        mend remedy: String? = nil, blocksRun: Bool = false
    ) {
        self.subject = subject
        self.status = status
        self.observation = observation
        self.reason = reason
        self.remedy = status == .ok ? nil : remedy
        self.blocksRun = blocksRun
    }

    /// One line: status, what was found, why it matters and how to mend it.
    package var line: String {
        let columns = Self.padded(status.rawValue, 8) + " " + Self.padded(subject, 17)
        let mend = remedy.map { "; to mend: \($0)" } ?? ""
        return "\(columns) \(observation) -- \(reason)\(mend)"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
