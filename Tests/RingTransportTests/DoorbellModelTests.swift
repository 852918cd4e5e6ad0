import Testing

/// No interleaving of the doorbell's steps loses a wake-up, and the model can tell.
@Suite struct DoorbellModelTests {
    @Test(arguments: DoorbellModel.Variant.allCases.filter(\.isCorrect), [1, 2, 3, 4] as [UInt8])
    func `No interleaving loses a wake-up`(variant: DoorbellModel.Variant, messageCount: UInt8) {
        let (stateCount, isSafe) = DoorbellModel(variant: variant, messageCount: messageCount)
            .explore()
        #expect(isSafe)
        #expect(stateCount > 50 * Int(messageCount), "the model hardly moved")
    }

    @Test(arguments: DoorbellModel.Variant.allCases.filter { !$0.isCorrect })
    func `Each way to get it wrong loses a wake-up`(variant: DoorbellModel.Variant) {
        let (_, isSafe) = DoorbellModel(variant: variant, messageCount: 3).explore()
        #expect(!isSafe)
    }
}
