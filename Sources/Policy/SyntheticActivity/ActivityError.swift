package import Quantities

/// Parameters for which there is no such process.
package enum ActivityError: Error, Equatable, CustomStringConvertible {
    case density(Proportion)
    case frequentShare(Proportion, density: Proportion)
    case spell(Int)
    case context(Int)
    case upsets(Int)

    package var description: String {
        switch self {
        case .density(let value):
            "activity statistics: a density of \(value) is not between 0 and 1"
        case .frequentShare(let value, let density):
            "activity statistics: at a density of \(density) no Beta distribution lets "
                + "a share of \(value) carry 80 % of the activations: it has to lie between "
                + "0.8 times the density and 0.8, and not close to either"
        case .spell(let length):
            "activity statistics: a longest spell of \(length) tokens is not 1 to 65535"
        case .context(let length):
            "activity statistics: a longest context of \(length) tokens is not 1 to 65535"
        case .upsets(let count):
            "activity statistics: \(count) upsets of 256 are not 0 to 255"
        }
    }
}
