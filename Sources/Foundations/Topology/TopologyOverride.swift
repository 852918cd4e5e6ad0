/// One `--set path=value`: replaces a value of the topology before it is validated.
package struct TopologyOverride: Equatable, Sendable, CustomStringConvertible {
    /// Keys with dots; list elements by index: `channels.0.rate`.
    package let path: String
    /// As it would stand in the file: `0.3`, `25.6 GB/s`, `[0, 1]`.
    package let value: String

    package init(path: String, value: String) {
        self.path = path
        self.value = value
    }

    /// Splits `path=value` at the first `=`; `nil` when there is none or the path is empty.
    package init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            return nil
        }
        path = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }

    package var description: String { "\(path)=\(value)" }
}
