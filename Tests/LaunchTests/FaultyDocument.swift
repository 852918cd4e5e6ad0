import Foundation

/// What `run --json` writes of failures.
struct FaultyDocument: Decodable {
    struct Seconds: Decodable { let emulated: Double }

    struct Recovery: Decodable {
        let dimm: Int
        let remedy: String
        let seconds: Seconds
    }

    struct DIMM: Decodable { let restarts: Int }
    struct Migrations: Decodable { let remaps: Int }

    let generatedTokens: [Int]
    let recoveries: [Recovery]
    let dimms: [DIMM]
    let seconds: Seconds
    let migrations: Migrations

    init(_ bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(FaultyDocument.self, from: Data(bytes))
    }
}
