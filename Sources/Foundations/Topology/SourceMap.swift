import CheckedYAML

/// Where values of a topology were written, by key path; carried for later, machine-bound checks.
struct SourceMap: Sendable {
    let fileName: String
    let places: [String: TopologyError.Place]

    func place(of path: String) -> TopologyError.Place { places[path] ?? .file(fileName) }
}
