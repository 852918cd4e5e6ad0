import Foundation

/// How long tests may take: `launch/test` sets HERMES_TEST_LEVEL.
package enum TestLevel: String, Comparable {
    case plain, ci, full

    package static var current: TestLevel {
        ProcessInfo.processInfo.environment["HERMES_TEST_LEVEL"]
            .flatMap { TestLevel(rawValue: $0) } ?? .plain
    }

    private var rank: Int { self == .plain ? 0 : self == .ci ? 1 : 2 }

    package static func < (left: TestLevel, right: TestLevel) -> Bool { left.rank < right.rank }
}
