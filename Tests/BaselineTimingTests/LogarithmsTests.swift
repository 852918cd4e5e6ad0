import BaselineTiming
import Foundation
import Testing

@Suite struct LogarithmsTests {
    @Test func `The logarithm is that of the C library`() {
        for step in -4_000...4_000 {
            let value = Foundation.exp(Double(step) / 100 + 0.00123)
            let ours = Logarithms.natural(value)
            let theirs = Foundation.log(value)
            if abs(ours - theirs) > 4e-15 * max(1, abs(theirs)) {
                Issue.record("ln \(value): \(ours), not \(theirs)")
            }
        }
        #expect(Logarithms.natural(1) == 0)
    }

    @Test func `The exponential is that of the C library`() {
        for step in -7_000...7_000 {
            let exponent = Double(step) / 10
            let ratio = Logarithms.exponential(exponent) / Foundation.exp(exponent)
            if abs(ratio - 1) > 1e-13 { Issue.record("exp \(exponent) is off by \(ratio - 1)") }
        }
        #expect(Logarithms.exponential(0) == 1)
    }
}
