import Glibc
import Supervision
import SystemPackage
import Testing

private let rollup = """
    55f9f8e7f000-7ffcf909b000 ---p 00000000 00:00 0                          [rollup]
    Rss:                1640 kB
    Pss:                 355 kB
    Shared_Clean:       1440 kB
    Shared_Dirty:          7 kB
    Private_Clean:        88 kB
    Private_Dirty:       112 kB
    FutureField:        many kettles
    Swap:                  3 kB

    """

@Suite struct ProcessMemoryTests {
    @Test func `A rollup is read in bytes, unknown lines are skipped`() throws {
        let memory = try ProcessMemory(rollup: rollup, path: "rollup")
        #expect(memory.residentByteCount == 1640 * 1024)
        #expect(memory.proportionalByteCount == 355 * 1024)
        #expect(memory.sharedCleanByteCount == 1440 * 1024)
        #expect(memory.sharedDirtyByteCount == 7 * 1024)
        #expect(memory.privateCleanByteCount == 88 * 1024)
        #expect(memory.privateDirtyByteCount == 112 * 1024)
        #expect(memory.swapByteCount == 3 * 1024)
    }

    @Test(arguments: ["x", "-1", "9223372036854775807", "99999999999999999999"])
    func `A field that is no count is refused by name`(value: String) {
        let error = SupervisionError.malformed(
            path: "rollup", rule: "Private_Dirty: must be a count of kB")
        #expect(throws: error) {
            try ProcessMemory(rollup: "Private_Dirty: \(value) kB\n" + rollup, path: "rollup")
        }
    }

    @Test(arguments: [
        "Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Swap",
    ])
    func `A missing field is refused by name`(field: String) {
        let text = rollup.split(separator: "\n").filter { !$0.hasPrefix(field + ":") }
            .joined(separator: "\n")
        #expect(throws: SupervisionError.malformed(path: "r", rule: "\(field) is missing")) {
            try ProcessMemory(rollup: text, path: "r")
        }
    }

    @Test func `Pages that a process writes are its private dirty ones`() async {
        await #expect(processExitsWith: .success) {
            // The test runner's own threads may give pages back between two readings, so
            // that one array may seem to cost less: the middle one of five counts.
            let byteCount = 32 << 20
            var arrays: [[UInt8]] = []
            var growths: [Int] = []
            for _ in 0..<5 {
                let before = try ProcessMemory.read(processIdentifier: getpid())
                arrays.append([UInt8](repeating: 7, count: byteCount))
                let after = try ProcessMemory.read(processIdentifier: getpid())
                growths.append(after.privateDirtyByteCount - before.privateDirtyByteCount)
                #expect(after.residentByteCount >= after.privateDirtyByteCount)
            }
            #expect(arrays.allSatisfy { $0[byteCount - 1] == 7 })
            let growth = growths.sorted()[growths.count / 2]
            #expect(growth >= byteCount - 4096, "\(growths)")
            #expect(growth < byteCount * 2, "\(growths)")
        }
    }

    @Test func `A running child can be read, an ended one cannot`() throws {
        let worker = try WorkerProcess.startUnbonded(executable: "/bin/sleep", arguments: ["600"])
        let identifier = worker.processIdentifier
        let memory = try ProcessMemory.read(processIdentifier: identifier)
        #expect(memory.residentByteCount > 0)
        #expect(memory.proportionalByteCount <= memory.residentByteCount)
        worker.terminate(grace: .zero)
        let path = "/proc/\(identifier)/smaps_rollup"
        #expect(throws: SupervisionError.read(path: path, cause: .noSuchFileOrDirectory)) {
            try ProcessMemory.read(processIdentifier: identifier)
        }
    }
}
