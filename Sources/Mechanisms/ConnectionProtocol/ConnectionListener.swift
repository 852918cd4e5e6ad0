package import LinkRecords

/// Where a coordinator waits for its workers' connections, whatever carries them.
package protocol ConnectionListener: AnyObject {
    /// With the port that was chosen when 0 was asked for.
    var address: ConnectionAddress { get }

    /// Waits, at most `limit`, for one of the expected workers, and makes its connection a link.
    ///
    /// - Parameter watch: of the link to a DIMM's worker.
    /// - Returns: nil when none came.
    /// - Throws: ``ConnectionError/listening(cause:)`` when no more can come; else what was wrong
    ///   with one that came. It is closed; another may come.
    func link(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration,
        waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws(ConnectionError) -> (dimm: Int, link: any RemoteLink)?
}
