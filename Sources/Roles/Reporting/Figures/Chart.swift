/// A figure's content, whatever draws it.
package struct Chart: Equatable, Sendable {
    /// How a series is drawn.
    package enum Style: Equatable, Sendable {
        case bars
        /// Boxes from each point's base to its height.
        case stacked
        case line
        /// Markers alone.
        case points
        /// A thin line that is read along, such as a diagonal.
        case guide
    }

    package struct Point: Equatable, Sendable {
        package let x: Double
        package let y: Double
        /// Where a stacked box begins.
        package let base: Double

        package init(_ x: Double, _ y: Double, from base: Double = 0) {
            self.x = x
            self.y = y
            self.base = base
        }
    }

    package struct Series: Equatable, Sendable {
        /// For the key; empty for none.
        package let title: String
        package let style: Style
        /// Index into ``Palette/colours``.
        package let colour: Int
        /// Published values are drawn pale, ours in full colour.
        package let isPale: Bool
        package let points: [Point]

        package init(
            _ title: String, style: Style, colour: Int, isPale: Bool = false, points: [Point]
        ) {
            self.title = title
            self.style = style
            self.colour = colour
            self.isPale = isPale
            self.points = points
        }
    }

    package struct Tick: Equatable, Sendable {
        package let position: Double
        package let text: String

        package init(_ position: Double, _ text: String) {
            self.position = position
            self.text = text
        }
    }

    /// What its files are called.
    package let name: String
    package let title: String
    /// What the reader has to know to read it; plain text.
    package let caption: String
    package let xLabel: String
    package let yLabel: String
    package var xBase = 0
    package var yBase = 0
    /// Own tick marks of the x axis; none leaves them to the plotter.
    package var ticks: [Tick] = []
    package var series: [Series] = []

    /// - Parameters:
    ///   - xBase: of a logarithmic x axis; 0 for a linear one.
    ///   - yBase: likewise.
    package init(
        name: String, title: String, caption: String, xLabel: String, yLabel: String,
        xBase: Int = 0, yBase: Int = 0, ticks: [Tick] = [], series: [Series] = []
    ) {
        self.name = name
        self.title = title
        self.caption = caption
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.xBase = xBase
        self.yBase = yBase
        self.ticks = ticks
        self.series = series
    }
}

/// Colours that colour-blind readers tell apart (Okabe and Ito), one for each system.
package enum Palette {
    package static let colours = [
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C7A2E", "#7F7F7F",
    ]

    private static let systems = [
        "Hermes", "Hermes-host", "Hermes-base", "Accelerate", "FlexGen", "DejaVu", "TensorRT-LLM",
    ]

    /// A system has the same colour in every figure.
    package static func colour(of system: String) -> Int {
        systems.firstIndex(of: system) ?? colours.count - 1
    }
}

/// Groups of bars side by side, with room between the groups.
package struct GroupedBars {
    /// One bar of each group, in the order of the groups.
    package struct Bar {
        package let title: String
        package let colour: Int
        package let isPale: Bool
        /// `nil` where a group has no such bar; its place stays empty.
        package let values: [Double?]

        package init(title: String, colour: Int, isPale: Bool, values: [Double?]) {
            self.title = title
            self.colour = colour
            self.isPale = isPale
            self.values = values
        }
    }

    package let groups: [String]
    package let bars: [Bar]

    package init(groups: [String], bars: [Bar]) {
        self.groups = groups
        self.bars = bars
    }

    /// Room between two groups, in bars.
    private static let gap = 1.5
    private var pitch: Double { Double(bars.count) + Self.gap }

    package var ticks: [Chart.Tick] {
        groups.enumerated().map { index, text in
            Chart.Tick(Double(index) * pitch + Double(bars.count - 1) / 2, text)
        }
    }

    package var series: [Chart.Series] {
        bars.enumerated().map { place, bar in
            let points = bar.values.enumerated().compactMap { group, value in
                value.map { Chart.Point(Double(group) * pitch + Double(place), $0) }
            }
            return Chart.Series(
                bar.title, style: .bars, colour: bar.colour, isPale: bar.isPale, points: points)
        }
    }
}
