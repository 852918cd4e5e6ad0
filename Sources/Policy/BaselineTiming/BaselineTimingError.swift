package import CheckedYAML
package import HardwareModel
package import SyntheticActivity

/// What is wrong with a file of compared systems, or with what is asked of them.
package enum BaselineTimingError: Error, Equatable, CustomStringConvertible {
    /// At least one problem of the file, by line.
    case file([YAMLProblem])
    case hardware(HardwareModelError)
    case activity(ActivityError)
    /// A run longer than emulated time can count.
    case tooLong(ComparedSystem)
    /// Calibration without a point of the fitted half to hold a system against.
    case noFittedPoint(ComparedSystem)
    /// A point of a model that is not in the catalogue that was passed.
    case unknownModel(String)
    /// A point that the system is said not to support.
    case unsupportedPoint(ComparedSystem, model: String, reason: String)
    /// A point of Hermes-host without an emulated run, or with one that the host's values leave no
    /// time.
    case notEmulated(model: String, batchSize: Int)

    package var description: String {
        switch self {
        case .file(let problems): problems.map(\.description).joined(separator: "\n")
        case .hardware(let error): error.description
        case .activity(let error): error.description
        case .tooLong(let system): "\(system.rawValue): the run exceeds 213 emulated days"
        case .noFittedPoint(let system):
            "\(system.rawValue): no published point of the fitted half to calibrate on"
        case .unknownModel(let name): "no model '\(name)' in the catalogue"
        case .notEmulated(let model, let batchSize):
            "hermes-host with \(model) at batch \(batchSize): no emulated run gives its time"
        case .unsupportedPoint(let system, let model, let reason):
            "\(system.rawValue) with \(model): \(reason)"
        }
    }
}
