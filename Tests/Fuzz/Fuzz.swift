import FuzzTargets
import Glibc

// libFuzzer brings `main` and calls these; HERMES_FUZZ_TARGET names the target.

private let target: FuzzTarget = {
    let name = unsafe getenv("HERMES_FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: " ")
        print("HERMES_FUZZ_TARGET must be one of: \(names)")
        exit(64)
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ byteCount: Int) -> CInt {
    unsafe target.run(Array(UnsafeBufferPointer(start: start, count: byteCount)))
    return 0
}
