import CheckedYAML

/// The parts that a topology file need not repeat: those of the paper's machine.
///
/// The same values as in `topology/rtx4090-8dimm.yaml`, where each stands with its source; a test
/// keeps the two equal. A file's own keys are laid on top, so its errors keep their lines.
enum BuiltInParts {
    static let yaml = """
        description: ""
        gpu:
          name: NVIDIA GeForce RTX 4090
          memory: 24 GB
          usable_memory: 20 GB
          bandwidth: 936 GB/s
          bandwidth_efficiency: 0.85
          compute: 330 TFLOPS
          compute_efficiency: 0.5
          synchronisation: 4.4 us
          kernel_launch: 0 ns
        pcie:
          bandwidth: 64 GB/s
          efficiency: 0.8
          latency: 0 ns
        coordinator:
          binding:
            policy: first-touch
            node: own
            cpus: all
            memory: own
        dimm:
          memory: 32 GiB
          ranks: 4
          neuron_layout: whole-rank
          binding:
            policy: bind
            memory: own
            spread: together
            rings: consumer
            huge_pages: off
            lock: off
          dram:
            generation: DDR4
            clock: 1600 MHz
            bus: 8 B
            bank_groups: 2
            banks_per_group: 4
            row: 8 KiB
            mapping: RoBaRaCoCh
            request_queue: 32
            refresh: on
            timing:
              tRC: 76
              tRCD: 24
              tCL: 24
              tCWL: 16
              tRP: 24
              tRAS: 52
              tBL: 4
              tCCD_S: 4
              tCCD_L: 8
              tRRD_S: 4
              tRRD_L: 6
              tFAW: 26
              tRTP: 12
              tWR: 24
              tWTR_S: 4
              tWTR_L: 12
              tRFC: 880
              tREFI: 12480
              rank_switch: 2
          ndp:
            clock: 1 GHz
            multipliers: 256
            lanes: 8
            cycles: 27
            buffer: 256 KiB
            overlap: max
          activation_unit:
            clock: 1 GHz
            exp_units: 256
            add_units: 256
            mul_units: 256
        dimm_links:
          bandwidth: 25 GB/s
          latency: 10 ns
          pairs: all-pairs
        policy:
          hot_share: 0.20
        """

    /// The parts as a tree. Their place is the file as a whole: they stand on none of its lines.
    static func tree(fileName: String) throws(TopologyError) -> TreeValue {
        let tree = try TopologyText.tree(of: yaml) { _ in .file(fileName) }
        guard let tree else { preconditionFailure("the built-in parts are empty") }
        return tree
    }
}
