import CheckedYAML

/// The text of one file of the catalogue, read strictly.
enum CatalogueText {
    /// Builds what a file says of its keys; `build` reports what is wrong by reading the section.
    ///
    /// - Parameters:
    ///   - text: YAML, at most 1 MB.
    ///   - fileName: how errors call the text.
    ///   - what: the file is to have.
    static func read<Value>(
        _ text: String, fileName: String, what: String, _ build: (inout Section) -> Value?
    ) throws(ModelCatalogueError) -> Value {
        let yaml = YAMLText(text: text) { line in
            line.map { .line($0, file: fileName) } ?? .file(fileName)
        }
        let root: TreeValue?
        do throws(YAMLError) {
            root = try yaml.tree()
        } catch {
            throw ModelCatalogueError(problems: error.problems)
        }
        guard let root else {
            throw ModelCatalogueError(
                problems: [
                    YAMLProblem(
                        place: .file(fileName), path: "", rule: "is empty: it has no \(what)")
                ])
        }
        let problems = ProblemList()
        var section = Section(root, problems: problems)
        let value = build(&section)
        section.finish()
        guard let value, problems.isEmpty else {
            throw ModelCatalogueError(problems: problems.sorted)
        }
        return value
    }
}
