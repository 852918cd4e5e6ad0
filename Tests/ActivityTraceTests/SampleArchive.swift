import Foundation

/// An archive that NumPy 2.4.6 wrote, with `numpy.savez_compressed` and these arrays:
///
///     masks    packbits(arange(2*3*13).reshape(2, 3, 13) % 5 == 0, axis=-1)
///     ids      array([7, 2**31 - 1], int32)
///     prefill  int64(1)
///     ratio    array([[0.5, -1.25]], float32)
///     target   float64(0.8)
///     kind     "wshift"
///     names    array(["a", "Grüße", "𝄞"])
///     none     zeros((0, 4), uint8)
enum SampleArchive {
    static let bytes = Array(
        Data(base64Encoded: text, options: .ignoreUnknownCharacters) ?? Data())

    private static let text = """
        UEsDBC0AAAAIAAAAIQDwsoau//////////8JABQAbWFza3MubnB5AQAQAIwAAAAAAAAAVQAAAAAAAACb7BfqGxDJ
        yFDGUK2eklqcXKRupaBeU2qorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgrGOgpGmjoKtQrkAa4W
        BUUODgcnAYGGFgUAUEsDBC0AAAAIAAAAIQDEm89y//////////8HABQAaWRzLm5weQEAEACIAAAAAAAAAE0AAAAA
        AAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjqaOgq1
        ChQALnYGBob////XAwBQSwMELQAAAAgAAAAhAKSxn6r//////////wsAFABwcmVmaWxsLm5weQEAEACIAAAAAAAA
        AEYAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvka
        mjoKtQoUAS5GBggAAFBLAwQtAAAACAAAACEADQHwd///////////CQAUAHJhdGlvLm5weQEAEACIAAAAAAAAAE4A
        AAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjoK
        Rpo6CrUKZAMuBgYGewaGBfsBUEsDBC0AAAAIAAAAIQBU4bWo//////////8KABQAdGFyZ2V0Lm5weQEAEACIAAAA
        AAAAAEgAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBak
        AvkamjoKtQoUAa5ZM0HgpT0AUEsDBC0AAAAIAAAAIQCT4SHm//////////8IABQAa2luZC5ucHkBABAAmAAAAAAA
        AABTAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG4Taqauo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5
        Gpo6CrUKFAGucgYGhmIgzgDiTCBOA+ISIAYAUEsDBC0AAAAIAAAAIQCsJAfV//////////8JABQAbmFtZXMubnB5
        AQAQALwAAAAAAAAAWgAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuE2qqrqOgnpZfVFKUmBefX5SSChJ3S8wp
        TgWKF2ckFqQC+RrGOpo6CrUKFACuRAZM4A7ERUD8B4jvA3EqEMtdZMRQBwBQSwMELQAAAAgAAAAhAAc9pw7/////
        /////wgAFABub25lLm5weQEAEACAAAAAAAAAAEYAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK6joJ6W
        X1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaBjoKJpo6CrUKZAMuAFBLAQItAy0AAAAIAAAAIQDwsoauVQAAAIwA
        AAAJAAAAAAAAAAAAAACAAQAAAABtYXNrcy5ucHlQSwECLQMtAAAACAAAACEAxJvPck0AAACIAAAABwAAAAAAAAAA
        AAAAgAGQAAAAaWRzLm5weVBLAQItAy0AAAAIAAAAIQCksZ+qRgAAAIgAAAALAAAAAAAAAAAAAACAARYBAABwcmVm
        aWxsLm5weVBLAQItAy0AAAAIAAAAIQANAfB3TgAAAIgAAAAJAAAAAAAAAAAAAACAAZkBAAByYXRpby5ucHlQSwEC
        LQMtAAAACAAAACEAVOG1qEgAAACIAAAACgAAAAAAAAAAAAAAgAEiAgAAdGFyZ2V0Lm5weVBLAQItAy0AAAAIAAAA
        IQCT4SHmUwAAAJgAAAAIAAAAAAAAAAAAAACAAaYCAABraW5kLm5weVBLAQItAy0AAAAIAAAAIQCsJAfVWgAAALwA
        AAAJAAAAAAAAAAAAAACAATMDAABuYW1lcy5ucHlQSwECLQMtAAAACAAAACEABz2nDkYAAACAAAAACAAAAAAAAAAA
        AAAAgAHIAwAAbm9uZS5ucHlQSwUGAAAAAAgACAC3AQAASAQAAAAA
        """
}
