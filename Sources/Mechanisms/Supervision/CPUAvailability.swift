internal import CLinuxShims
internal import Glibc

/// How many cores this process may use: fewer than the machine has under taskset, Slurm or a
/// container's quota. Decides how many threads compute, and whether spinning can be afforded.
package struct CPUAvailability: Equatable, Sendable {
    /// CPUs in the affinity mask of the calling thread; at least 1.
    package let allowedCPUCount: Int
    /// The tightest CPU quota of the control groups, in cores; nil without one.
    package let quotaCoreCount: Double?

    package init(allowedCPUCount: Int, quotaCoreCount: Double?) {
        precondition(allowedCPUCount >= 1)
        self.allowedCPUCount = allowedCPUCount
        self.quotaCoreCount = quotaCoreCount
    }

    /// Cores that can be kept busy: a quota's fraction is not one, and 1 is always left.
    package var usableCoreCount: Int {
        guard let quotaCoreCount else { return allowedCPUCount }
        return max(1, Int(min(Double(allowedCPUCount), quotaCoreCount)))
    }

    /// What holds for the calling thread now.
    ///
    /// - Parameter root: prefix of `/proc` and of the control groups; empty except in tests.
    package static func current(root: String = "") -> CPUAvailability {
        // Above 1024 CPUs the fixed-size mask is refused; the machine's count is the best left.
        let allowed = Int(shim_allowed_cpu_count())
        let count = allowed > 0 ? allowed : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let group = ControlGroup.current(controller: "cpu", root: root)
        let quotas = group.map { group in
            group.directories.compactMap { quota(in: root + $0, version: group.version) }
        }
        return CPUAvailability(allowedCPUCount: count, quotaCoreCount: quotas?.min())
    }

    /// CPU time per wall time that one control group may use, in cores.
    private static func quota(in directory: String, version: ControlGroup.Version) -> Double? {
        let words: [Substring]? =
            switch version {
            case .two: controlWords(directory + "/cpu.max")
            case .one:
                controlWords(directory + "/cpu.cfs_quota_us").flatMap { quota in
                    controlWords(directory + "/cpu.cfs_period_us").map { quota + $0 }
                }
            }
        // "max 100000" (version 2) and "-1" (version 1) mean no limit.
        guard let words, words.count == 2, let time = Int(words[0]), let period = Int(words[1]),
            time > 0, period > 0
        else { return nil }
        return Double(time) / Double(period)
    }
}
