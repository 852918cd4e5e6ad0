package import PackedSets

/// Told each token's active cold neurons in advance, moves as few as it takes to spread them
/// evenly: no DIMM has more than the mean, rounded up. Nothing can be better balanced, since a
/// neuron is computed on one DIMM.
package struct OracleRebalancer: Rebalancer {
    package let name: String

    package init(name: String = "oracle per token") { self.name = name }

    package var needsTruth: Bool { true }

    package mutating func remaps(before activeCold: [[PackedSet]], homes: HomeTable) -> [Remap] {
        var remaps: [Remap] = []
        for (layer, blocks) in activeCold.enumerated() {
            for (block, active) in blocks.enumerated() {
                appendRemaps(layer: layer, block: block, active: active, homes, to: &remaps)
            }
        }
        return remaps
    }

    /// The DIMMs that had most keep one more where the count does not divide evenly.
    private func appendRemaps(
        layer: Int, block: Int, active: PackedSet, _ homes: HomeTable, to remaps: inout [Remap]
    ) {
        let loads = homes.loads(of: active, layer: layer, block: block)
        let (share, oneMore) = loads.reduce(0, +).quotientAndRemainder(
            dividingBy: homes.dimmCount)
        let order = loads.indices.sorted { (loads[$1], $0) < (loads[$0], $1) }
        var missing = loads  // what each DIMM lacks; negative: has too much
        for (rank, dimm) in order.enumerated() {
            missing[dimm] = share + (rank < oneMore ? 1 : 0) - loads[dimm]
        }
        var receiver = 0
        for donor in order where missing[donor] < 0 {
            var own = homes.residents(layer: layer, block: block, dimm: donor)
            own.formIntersection(active)
            for neuron in own.members.prefix(-missing[donor]) {
                while missing[receiver] <= 0 { receiver += 1 }
                missing[receiver] -= 1
                remaps.append(
                    Remap(layer: layer, block: block, neuron: neuron, from: donor, to: receiver))
            }
        }
    }

    package mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {}
    package mutating func endToken(homes: HomeTable) -> [Remap] { [] }
}
