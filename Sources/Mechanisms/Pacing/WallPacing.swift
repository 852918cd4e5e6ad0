/// What a process brings to a paced run: its view of the shared caps, and whether it may spin.
package struct WallPacing {
    /// The caps that all processes of the run share; without them deadlines alone hold messages.
    package let board: SharedLinkBoard?
    /// Whether every waiting thread of the run has a core of its own for certain.
    package let sparesCores: Bool
    /// As ``PacedLinks/holdsMessages``.
    package let holdsMessages: Bool

    package init(board: SharedLinkBoard?, sparesCores: Bool, holdsMessages: Bool = true) {
        self.board = board
        self.sparesCores = sparesCores
        self.holdsMessages = holdsMessages
    }

    /// The process's clock of a run that begins at `origin`.
    ///
    /// - Parameters:
    ///   - rates: of the topology's links, by index.
    ///   - lead: how much the role may work ahead.
    package func clock(
        origin: WallInstant, dilation: Dilation, rates: [LinkRate], lead: Duration = .zero,
        watch: @escaping WaitWatch
    ) -> PacedClock {
        PacedClock(
            origin: origin, dilation: dilation,
            links: board.map {
                PacedLinks(board: $0, rates: rates, holdsMessages: holdsMessages)
            }, sparesCores: sparesCores, lead: lead, watch: watch)
    }
}
