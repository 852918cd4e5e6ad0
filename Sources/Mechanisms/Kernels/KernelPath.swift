internal import CVectorKernels

/// Which implementation of a kernel runs. Both give the same bits, whatever the input.
package enum KernelPath: CaseIterable, Sendable {
    /// The vector path where the processor has it. Chosen once per process.
    case automatic
    /// Swift alone; any processor.
    case portable
    /// AVX2, FMA and F16C; a precondition where the processor lacks them.
    case vector

    /// Whether this processor, under this operating system, runs the vector path.
    package static let vectorIsAvailable = vector_kernels_supported() != 0

    var usesVectors: Bool {
        switch self {
        case .automatic: return Self.vectorIsAvailable
        case .portable: return false
        case .vector:
            precondition(Self.vectorIsAvailable, "the vector path needs AVX2, FMA and F16C")
            return true
        }
    }
}
