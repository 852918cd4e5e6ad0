import Foundation
import NodeMeasurement
import Reporting

/// Draws what `numa` found, with gnuplot as a process: SVG files in a folder.
struct NumaFigures {
    let report: NumaReport
    let folder: String

    /// - Returns: the files written.
    func draw() throws -> [String] {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        var files: [String] = []
        if !report.cells.isEmpty {
            files.append(
                try plot(
                    "bandwidth",
                    heatMap(title: "Read bandwidth, GB/s") { $0.bandwidth.median / 1e9 }))
            files.append(
                try plot(
                    "latency",
                    heatMap(title: "Latency of a load, ns") { $0.latency.median * 1e9 }))
        }
        if !report.kernels.isEmpty { files.append(try plot("kernel", kernelBars())) }
        if !report.runs.isEmpty { files.append(try plot("runs", runBars())) }
        return files
    }

    private func heatMap(title: String, _ value: (MatrixCell) -> Double) -> String {
        let nodes = report.nodes
        let rows = report.cells.map { cell in
            let place = { (node: Int) in nodes.firstIndex(of: node) ?? 0 }
            return "\(place(cell.memoryNode)) \(place(cell.processorNode)) \(value(cell))"
        }
        let tics = nodes.enumerated().map { "\"\($0.element)\" \($0.offset)" }
            .joined(separator: ", ")
        let end = Double(nodes.count) - 0.5
        return """
            $cells << END
            \(rows.joined(separator: "\n"))
            END
            set title "\(title) (measured)"
            set xlabel "memory of node"
            set ylabel "CPUs of node"
            set xtics (\(tics))
            set ytics (\(tics))
            set xrange [-0.5:\(end)]
            set yrange [\(end):-0.5]
            set size square
            set palette defined (0 "#f7fbff", 1 "#6baed6")
            unset key
            plot $cells using 1:2:3 with image, \\
                $cells using 1:2:(sprintf("%.1f", $3)) with labels
            """
    }

    private func kernelBars() -> String {
        let rows = report.kernels.map { cell in
            let label =
                "\(cell.placement.rawValue)\\n\(cell.workerCount) x "
                + "\(Text.fixed(100 * cell.activeShare, 0)) %"
            let (median, low, high) = Self.scaled(cell.seconds, by: 1e3)
            return "\"\(label)\" \(median) \(low) \(high)"
        }
        return bars(
            rows, title: "Feed-forward neurons of all layers (measured)", label: "ms a pass")
    }

    private func runBars() -> String {
        let rows = report.runs.map { cell in
            let (median, low, high) = Self.scaled(cell.tokensPerSecond, by: 1)
            return "\"\(cell.placement.rawValue)\" \(median) \(low) \(high)"
        }
        return bars(rows, title: "Whole runs, native clock (measured)", label: "tokens/s")
    }

    private static func scaled(_ samples: Samples, by factor: Double) -> (Double, Double, Double) {
        (samples.median * factor, samples.lowest * factor, samples.highest * factor)
    }

    /// Medians with lowest and highest as error bars.
    private func bars(_ rows: [String], title: String, label: String) -> String {
        """
        $rows << END
        \(rows.joined(separator: "\n"))
        END
        set title "\(title)"
        set ylabel "\(label)"
        set yrange [0:*]
        set boxwidth 0.6
        set style fill solid 0.7
        set xtics rotate by -35
        unset key
        plot $rows using 0:2:xtic(1) with boxes linecolor rgb "#08519c", \\
            $rows using 0:2:3:4 with yerrorbars linecolor rgb "black" pointtype 0
        """
    }

    private func plot(_ name: String, _ commands: String) throws -> String {
        let head = "set terminal svg size 720,540 enhanced\nset output '\(name).svg'\n"
        do {
            try Gnuplot.draw(script: head + commands + "\n", named: name, in: folder)
        } catch {
            throw Failure(.machineLacks, error.description)
        }
        return "\(folder)/\(name).svg"
    }
}
