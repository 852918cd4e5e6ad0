/// The control groups that limit this process for one controller, innermost first.
///
/// Version 2 (one hierarchy) and version 1 (one per controller) are both in use, the latter on
/// older container hosts. Sources: cgroups(7), Linux's admin-guide/cgroup-v2 and cgroup-v1.
struct ControlGroup {
    enum Version { case one, two }

    let version: Version
    /// Their directories, from the process's own group up to the mount's root.
    let directories: [String]

    /// Finds them from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    ///
    /// - Parameter controller: "cpu" or "memory".
    /// - Returns: nil when no mounted hierarchy has this controller.
    init?(controller: String, memberships: String, mounts: String) {
        let mounted = mounts.split(separator: "\n").compactMap(Mount.init)
        let groups = memberships.split(separator: "\n").compactMap { line -> Membership? in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return fields.count == 3 ? Membership(controllers: fields[1], path: fields[2]) : nil
        }
        let name = Substring(controller)
        if let group = groups.first(where: { $0.controllers.split(separator: ",").contains(name) }),
            let mount = mounted.last(where: { $0.isVersion1 && $0.options.contains(name) })
        {
            version = .one
            directories = mount.directories(of: group.path)
        } else if let group = groups.first(where: { $0.controllers.isEmpty }),
            let mount = mounted.last(where: { $0.isVersion2 })
        {
            version = .two
            directories = mount.directories(of: group.path)
        } else {
            return nil
        }
    }

    private struct Membership {
        let controllers: Substring
        let path: Substring
    }

    /// One line of mountinfo: `id parent device root point options... - type source options`.
    private struct Mount {
        let root: String
        let point: String
        let isVersion1: Bool
        let isVersion2: Bool
        let options: [Substring]

        init?(line: Substring) {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else {
                return nil
            }
            root = Mount.unescaped(fields[3])
            point = Mount.unescaped(fields[4])
            isVersion1 = fields[dash + 1] == "cgroup"
            isVersion2 = fields[dash + 1] == "cgroup2"
            options = fields[dash + 3].split(separator: ",")
        }

        /// The group's directory and its parents, as far as this mount shows them.
        func directories(of path: Substring) -> [String] {
            var visible = Substring("")
            if root == "/" {
                visible = path
            } else if path.hasPrefix(root + "/") {
                visible = path.dropFirst(root.utf8.count)
            }
            var components = visible.split(separator: "/")
            // Seen from inside a cgroup namespace, a group outside it starts with "..".
            if components.contains("..") { components = [] }
            return (0...components.count).reversed().map { count in
                ([Substring(point)] + components.prefix(count)).joined(separator: "/")
            }
        }

        /// Spaces, tabs, newlines and backslashes stand as three octal digits.
        private static func unescaped(_ field: Substring) -> String {
            var text = String(field)
            for (code, character) in [("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")] {
                text = text.split(separator: "\\" + code, omittingEmptySubsequences: false)
                    .joined(separator: character)
            }
            return text
        }
    }
}

extension ControlGroup {
    /// Finds the groups of this process.
    ///
    /// - Parameter root: prefix of every path; empty except in tests.
    static func current(controller: String, root: String) -> ControlGroup? {
        guard let memberships = try? readTextFile(root + "/proc/self/cgroup"),
            let mounts = try? readTextFile(root + "/proc/self/mountinfo")
        else { return nil }
        return ControlGroup(controller: controller, memberships: memberships, mounts: mounts)
    }
}

/// The words of a one-line control file, or nil where it cannot be read: then it sets no limit
/// that we could know of (the topmost group has no such files).
func controlWords(_ path: String) -> [Substring]? {
    guard let text = try? readTextFile(path) else { return nil }
    return text.split(whereSeparator: \.isWhitespace)
}

/// The value after a word at the start of a line ("inactive_file 4096", "MemFree: 12 kB").
func value(after key: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        if words.count >= 2, words[0] == key { return Int(words[1]) }
    }
    return nil
}
