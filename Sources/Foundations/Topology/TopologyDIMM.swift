package import Quantities

extension Topology {
    /// One burst, one cache line: the unit of every DRAM access.
    package static let lineByteCount = 64

    /// The DRAM of a DIMM: geometry, mapping and timing of each of its ranks.
    package struct DRAM: Equatable, Sendable {
        package let generation: DRAMGeneration
        /// Memory clock: half the transfer rate, 1.6 GHz for DDR4-3200.
        package let clock: Frequency
        /// Data bus of a rank, without ECC.
        package let busByteCount: Int
        package let bankGroupCount: Int
        package let banksPerGroup: Int
        /// One row of a bank over all chips of the rank: what one activation opens.
        package let rowByteCount: ByteCount
        package let addressMapping: AddressMapping
        /// Requests that the controller holds and reorders (FR-FCFS).
        package let requestQueueDepth: Int
        package let refreshes: Bool
        package let timing: DRAMTiming

        package var banksPerRank: Int { bankGroupCount * banksPerGroup }

        /// Two transfers per clock: 25.6 GB/s for 8 bytes at 1.6 GHz.
        package var peakRankBandwidth: Bandwidth {
            Bandwidth(bytesPerSecond: clock.hertz * 2 * UInt64(busByteCount))
        }
    }

    package enum DRAMGeneration: String, CaseIterable, Sendable {
        case ddr4 = "DDR4"
        case ddr5 = "DDR5"
        case lpddr5x = "LPDDR5X"
    }

    /// How an address is split, most significant part first.
    ///
    /// Ro row, Ba bank (within its group), Bg bank group, Ra rank, Co column, Ch channel.
    package enum AddressMapping: String, CaseIterable, Sendable {
        /// Consecutive lines alternate between bank groups: full rate.
        case roRaBaCoBg = "RoRaBaCoBg"
        /// A whole row lies in one bank, hence in one bank group: reads run at tCCD_L.
        case roBaRaCoCh = "RoBaRaCoCh"
        /// As the former, with rows next to each other in one bank.
        case chRaBaRoCo = "ChRaBaRoCo"
    }

    /// Minimum distances between DRAM commands, in memory clock cycles; names as in JESD79-4.
    package struct DRAMTiming: Equatable, Sendable {
        /// Activate to activate, same bank.
        package let tRC: Int
        /// Activate to read or write.
        package let tRCD: Int
        /// Read to first data.
        package let tCL: Int
        /// Write to first data.
        package let tCWL: Int
        /// Precharge to activate.
        package let tRP: Int
        /// Activate to precharge.
        package let tRAS: Int
        /// Data burst of one 64-byte line.
        package let tBL: Int
        /// Column to column, another bank group.
        package let tCCDS: Int
        /// Column to column, same bank group.
        package let tCCDL: Int
        /// Activate to activate, another bank group.
        package let tRRDS: Int
        /// Activate to activate, same bank group.
        package let tRRDL: Int
        /// At most four activates of a rank in this window.
        package let tFAW: Int
        /// Read to precharge.
        package let tRTP: Int
        /// End of write data to precharge.
        package let tWR: Int
        /// End of write data to read, another bank group.
        package let tWTRS: Int
        /// End of write data to read, same bank group.
        package let tWTRL: Int
        /// How long a refresh keeps the rank busy.
        package let tRFC: Int
        /// Mean distance of refreshes.
        package let tREFI: Int
        /// Idle bus cycles between bursts of different ranks.
        package let rankSwitch: Int
    }

    /// The near-data core in a DIMM's centre buffer: a GEMV unit that reaches all its ranks.
    package struct NDPCore: Equatable, Sendable {
        package let clock: Frequency
        package let multiplierCount: Int
        /// FP16 values that one multiplier works on at a time.
        package let lanesPerMultiplier: Int
        /// Cycles in which one multiplier finishes one MAC in each of its lanes.
        package let cyclesPerMultiplyGroup: Int
        package let bufferCapacity: ByteCount
        package let overlap: ReadMultiplyOverlap

        /// Multiply-accumulates in a second, rounded down.
        package var macsPerSecond: UInt64 {
            let macsPerGroup = UInt64(multiplierCount) * UInt64(lanesPerMultiplier)
            // Fits: validation bounds both factors.
            return UInt64(
                UInt128(macsPerGroup) * UInt128(clock.hertz) / UInt128(cyclesPerMultiplyGroup))
        }
    }

    /// How reading rows and multiplying them share time.
    package enum ReadMultiplyOverlap: String, CaseIterable, Sendable {
        /// Double-buffered: the longer of the two decides.
        case maximum = "max"
        /// One after the other.
        case sum
    }

    /// FP16 units for softmax, ReLU and the addition of partial sums.
    package struct ActivationUnit: Equatable, Sendable {
        package let clock: Frequency
        package let exponentialUnitCount: Int
        package let adderCount: Int
        package let multiplierCount: Int
    }
}
