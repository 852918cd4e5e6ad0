/// The rules of the house list: which target may import what.
struct LayerRules {
    let manifest: Manifest
    let manifestPath = "Package.swift"

    /// Each import stands in an earlier row, in the same layer or a lower one.
    func orderOfRows() -> [Finding] {
        manifest.rows.enumerated().flatMap { index, row in
            let earlier = manifest.rows[..<index]
            let unknownLayer =
                row.layer.map { !Manifest.layers.contains($0) } ?? false
                ? [breach(row, "there is no layer \(row.layer ?? "")")] : []
            return unknownLayer
                + row.imports.compactMap { name in
                    guard let imported = earlier.first(where: { $0.name == name }) else {
                        return breach(row, "\(name) is not a row above it")
                    }
                    guard level(imported) <= level(row) else {
                        return breach(row, "\(name) is of the higher layer \(imported.folder)")
                    }
                    return nil
                }
        }
    }

    /// Policy is pure, and roles know neither transports nor libnuma: those are the programs' part.
    func keptApart() -> [Finding] {
        let impure = manifest.rows.filter { $0.layer == "Policy" }.flatMap { row in
            row.products.map { breach(row, "policy is pure and uses no product, here \($0)") }
        }
        let knowing = manifest.rows.filter { $0.layer == "Roles" }.flatMap { row in
            row.imports.filter(isKnownToProgramsOnly).map {
                breach(row, "roles see protocols; only programs know \($0)")
            }
        }
        return impure + knowing
    }

    private func isKnownToProgramsOnly(_ name: String) -> Bool {
        name.hasSuffix("Transport") || name == "NUMABinding" || name == "Supervision"
            || manifest.row(name)?.layer == "C"
    }

    /// Every target folder has a row: the package manager ignores one that has none.
    func foldersWithoutRow(paths: [String]) -> [Finding] {
        let folders = Set(manifest.rows.map(\.folder))
        let present = Set(
            paths.compactMap { path -> String? in
                let parts = path.split(separator: "/")
                switch parts.first {
                case "Sources": return parts.prefix(3).joined(separator: "/")
                case "Tests": return parts.prefix(2).joined(separator: "/")
                default: return nil
                }
            })
        return present.subtracting(folders).sorted().map {
            Finding(path: $0, line: 1, rule: "has no row in \(manifestPath)")
        }
    }

    /// launch/setup installs every Debian package that a row names.
    func packagesNotInstalled(setup: SourceText) -> [Finding] {
        let installed = setup.lines.joined(separator: "\n")
        return manifest.rows.compactMap { row in
            guard let apt = row.apt, !installed.contains(apt) else { return nil }
            return setup.finding(1, "does not install \(apt), which \(row.name) needs")
        }
    }

    /// The program looks for the default model under the name that launch/setup gives it.
    func modelNamedOtherwise(setup: SourceText, files: [SourceText]) -> [Finding] {
        let assignment = /model_name="([^"]+)"/
        guard let line = setup.lines.first(where: { $0.contains(assignment) }),
            let name = line.firstMatch(of: assignment)?.output.1
        else { return [setup.finding(1, "assigns no model_name")] }
        let programs = files.filter { $0.path.hasPrefix("Sources/Programs/hermes/") }
        let isNamed = programs.contains { $0.textWithoutComments.contains(name) }
        return isNamed ? [] : [setup.finding(1, "fetches \(name), which hermes never names")]
    }

    /// A source file imports what its row lists and what the toolchain offers its layer.
    func undeclaredImports(in file: SourceText) -> [Finding] {
        guard let row = manifest.rows.first(where: { file.path.hasPrefix($0.folder + "/") }) else {
            return []
        }
        let allowed = Set(row.imports + row.products + Self.toolchain(for: row))
        return Self.imports(in: file).filter { !allowed.contains($0.module) }.map {
            file.finding($0.line, "\(row.name) may not import \($0.module)")
        }
    }

    /// A row lists nothing that no file of its target imports.
    func unusedImports(files: [SourceText]) -> [Finding] {
        manifest.rows.filter(\.isSwift).flatMap { row in
            let used = Set(
                files.filter { $0.path.hasPrefix(row.folder + "/") }
                    .flatMap { Self.imports(in: $0).map(\.module) })
            // A suite lists a probe in order to have it built; it starts it as a process.
            let listed = row.imports.filter { manifest.row($0)?.kind != "probe" } + row.products
            return listed.filter { !used.contains($0) }.map {
                breach(row, "lists \($0), which none of its files imports")
            }
        }
    }

    /// Policy reads no clock, starts nothing, prints nothing and draws no unseeded random number.
    func impurities(in file: SourceText) -> [Finding] {
        guard file.path.hasPrefix("Sources/Policy/") else { return [] }
        let impure: Set = [
            "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", "Task", "print",
            "CommandLine", "Mutex", "Atomic",
        ]
        return file.tokens.filter { impure.contains($0.text) }.map {
            file.finding($0.line, "policy is pure: no \($0.text)")
        }
    }

    /// The modules that come with the toolchain, as far as a row's layer may use them.
    private static func toolchain(for row: Manifest.Row) -> [String] {
        let system = ["Glibc", "Synchronization", "Foundation", "FoundationEssentials", "Dispatch"]
        switch row.layer {
        case "Policy": return []
        case nil: return system + ["Testing"]
        default: return system
        }
    }

    private static func imports(in file: SourceText) -> [(module: String, line: Int)] {
        let tokens = file.tokens
        let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        return tokens.indices.dropLast().compactMap { index in
            guard tokens[index].text == "import" else { return nil }
            let skipsKind = kinds.contains(tokens[index + 1].text) && index + 2 < tokens.count
            return (tokens[index + (skipsKind ? 2 : 1)].text, tokens[index].line)
        }
    }

    private func level(_ row: Manifest.Row) -> Int {
        row.layer.flatMap { Manifest.layers.firstIndex(of: $0) } ?? Manifest.layers.count
    }

    private func breach(_ row: Manifest.Row, _ rule: String) -> Finding {
        Finding(path: manifestPath, line: 1, rule: "\(row.name): \(rule)")
    }
}
