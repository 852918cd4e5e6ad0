// swift-tools-version:6.2
// The house list. One row is one target; it imports only rows above it, from its own layer or a
// lower one. README.md shows the same rows to readers, and TidyTests holds both, and every
// `import` in the sources, to this list. Rows keep this exact form because that suite reads it.
import PackageDescription

/// The folders under Sources, from the ground up.
enum Layer: String {
    case c = "C"
    case foundations = "Foundations"
    case mechanisms = "Mechanisms"
    case policy = "Policy"
    case roles = "Roles"
    case programs = "Programs"
}

/// Every Swift target gets the same strictness, tests included.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Spans that functions return carry their owner's lifetime; the language has no stable
    // spelling for it yet.
    .enableExperimentalFeature("Lifetimes"),
]

/// The package that offers a product.
let packages = [
    "ArgumentParser": "swift-argument-parser", "Histogram": "hdrhistogram-swift",
    "Logging": "swift-log", "SystemPackage": "swift-system", "Yams": "Yams",
]

func dependencies(_ imports: [String], _ products: [String]) -> [Target.Dependency] {
    imports.map { .target(name: $0) }
        + products.map { .product(name: $0, package: packages[$0, default: "unknown"]) }
}

/// A target of the house. `apt` names the Debian package behind a module map; `beside` names files
/// among the sources that no compiler reads.
func layer(
    _ layer: Layer, _ name: String, imports: [String] = [], products: [String] = [],
    beside files: [String] = [], embedding texts: [String] = [], apt: String? = nil
) -> Target {
    let path = "Sources/\(layer.rawValue)/\(name)"
    if let apt { return .systemLibrary(name: name, path: path, providers: [.apt([apt])]) }
    if layer == .c { return .target(name: name, path: path) }
    let needs = dependencies(imports, products)
    return layer == .programs
        ? .executableTarget(
            name: name, dependencies: needs, path: path,
            resources: texts.map { .embedInCode($0) }, swiftSettings: strict)
        : .target(
            name: name, dependencies: needs, path: path, exclude: files, swiftSettings: strict)
}

/// What several test suites share; `isC` where Swift cannot write it.
func support(
    _ name: String, imports: [String] = [], products: [String] = [], isC: Bool = false
) -> Target {
    .target(
        name: name, dependencies: dependencies(imports, products), path: "Tests/\(name)",
        swiftSettings: isC ? [] : strict)
}

/// A program that a test suite starts as a process of its own.
func probe(_ name: String, imports: [String] = [], products: [String] = []) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies(imports, products), path: "Tests/\(name)",
        swiftSettings: strict)
}

/// A test suite. `data` names folders of files that it reads from the repository.
func suite(
    _ name: String, imports: [String] = [], products: [String] = [], data: [String] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies(imports, products), path: "Tests/\(name)",
        exclude: data, swiftSettings: strict)
}

let package = Package(
    name: "hermes-emulator",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        layer(.c, "CCbc", apt: "coinor-libcbc-dev"),
        layer(.c, "CLinuxShims"),
        layer(.c, "CNUMA", apt: "libnuma-dev"),
        layer(.c, "COpenSSL", apt: "libssl-dev"),
        layer(.c, "CRDMA", apt: "librdmacm-dev"),
        layer(.c, "CVectorKernels"),
        layer(.c, "CZlib", apt: "zlib1g-dev"),

        layer(.foundations, "Quantities"),
        layer(.foundations, "SeededRandom"),
        layer(.foundations, "WeightFormats"),
        layer(.foundations, "CheckedYAML", imports: ["Quantities"], products: ["Yams"]),
        layer(
            .foundations, "ModelCatalogue",
            imports: ["CheckedYAML", "Quantities", "WeightFormats"]),
        layer(.foundations, "Topology", imports: ["CheckedYAML", "Quantities"]),
        layer(.foundations, "PackedSets"),
        layer(.foundations, "Messages", imports: ["PackedSets"]),
        layer(
            .foundations, "MappedMemory", imports: ["CLinuxShims"], products: ["SystemPackage"]),
        layer(.foundations, "Tokenizer"),

        layer(.mechanisms, "LinkRecords", imports: ["CVectorKernels", "Messages"]),
        layer(
            .mechanisms, "RingTransport",
            imports: ["CLinuxShims", "LinkRecords", "MappedMemory", "Messages"],
            products: ["SystemPackage"], beside: ["RingProtocol.pml"]),
        layer(
            .mechanisms, "ConnectionProtocol",
            imports: ["COpenSSL", "LinkRecords", "Messages"], products: ["SystemPackage"]),
        layer(
            .mechanisms, "SocketTransport",
            imports: ["ConnectionProtocol", "LinkRecords", "Messages"],
            products: ["SystemPackage"]),
        layer(
            .mechanisms, "RDMAConnections", imports: ["CRDMA", "ConnectionProtocol"],
            products: ["SystemPackage"]),
        layer(
            .mechanisms, "RDMATransport",
            imports: [
                "CRDMA", "ConnectionProtocol", "LinkRecords", "Messages", "RDMAConnections",
            ],
            products: ["SystemPackage"]),
        layer(.mechanisms, "Supervision", imports: ["CLinuxShims"], products: ["SystemPackage"]),
        layer(
            .mechanisms, "NUMABinding", imports: ["CLinuxShims", "CNUMA"],
            products: ["SystemPackage"]),
        layer(
            .mechanisms, "HostFacts", imports: ["MappedMemory", "NUMABinding", "Supervision"],
            products: ["SystemPackage"]),
        layer(
            .mechanisms, "NodeMeasurement",
            imports: ["MappedMemory", "NUMABinding", "SeededRandom"]
        ),
        layer(
            .mechanisms, "ModelFile", imports: ["MappedMemory", "WeightFormats"],
            products: ["SystemPackage"]),
        layer(.mechanisms, "Kernels", imports: ["CVectorKernels", "WeightFormats"]),
        layer(
            .mechanisms, "NeuronShards",
            imports: ["Kernels", "MappedMemory", "ModelFile", "WeightFormats"]),
        layer(
            .mechanisms, "SparsityCalibration", imports: ["MappedMemory"],
            products: ["SystemPackage"]),

        layer(
            .mechanisms, "Pacing", imports: ["CLinuxShims", "MappedMemory", "Quantities"]),
        layer(
            .mechanisms, "ActivityTrace", imports: ["CZlib", "PackedSets"],
            products: ["SystemPackage"]),
        layer(.mechanisms, "LinearPrograms", imports: ["CCbc"]),
        layer(.mechanisms, "FaultInjection", imports: ["Messages"]),
        layer(.mechanisms, "Telemetry", imports: ["Quantities"], products: ["Histogram"]),

        layer(.policy, "HardwareModel", imports: ["Quantities", "SeededRandom", "Topology"]),
        layer(.policy, "NeuronPlacement", imports: ["Quantities"]),
        layer(
            .policy, "OfflinePartition", imports: ["LinearPrograms", "Quantities", "SeededRandom"]
        ),
        layer(.policy, "ActivationPredictor", imports: ["PackedSets"]),
        layer(
            .policy, "Scheduling",
            imports: ["ActivationPredictor", "PackedSets", "Quantities", "SeededRandom"]),
        layer(
            .policy, "SyntheticActivity",
            imports: ["ModelCatalogue", "PackedSets", "Quantities", "SeededRandom"]),
        layer(
            .policy, "BaselineTiming",
            imports: [
                "CheckedYAML", "HardwareModel", "ModelCatalogue", "Quantities",
                "SyntheticActivity", "Topology",
            ]),
        layer(
            .policy, "Transformer",
            imports: [
                "Kernels", "ModelFile", "PackedSets", "SeededRandom", "SparsityCalibration",
                "WeightFormats",
            ]),

        layer(
            .roles, "DIMMWorker",
            imports: [
                "HardwareModel", "Kernels", "MappedMemory", "Messages", "ModelFile",
                "NeuronPlacement", "NeuronShards", "Pacing", "PackedSets", "Quantities", "Topology",
                "Transformer",
            ]),
        layer(
            .roles, "Coordinator",
            imports: [
                "ActivationPredictor", "HardwareModel", "MappedMemory", "Messages",
                "ModelCatalogue", "ModelFile", "NeuronPlacement", "NeuronShards", "Pacing",
                "PackedSets", "Quantities", "Scheduling", "Telemetry", "Topology", "Transformer",
            ]),

        layer(.roles, "Reporting", imports: ["CheckedYAML"]),

        layer(
            .programs, "hermes",
            imports: [
                "ActivationPredictor", "ActivityTrace", "BaselineTiming", "CheckedYAML",
                "ConnectionProtocol", "Coordinator", "DIMMWorker", "FaultInjection",
                "HardwareModel", "HostFacts", "Kernels", "LinkRecords", "MappedMemory", "Messages",
                "ModelCatalogue", "ModelFile", "NUMABinding", "NeuronPlacement", "NeuronShards",
                "NodeMeasurement", "OfflinePartition", "Pacing", "PackedSets", "Quantities",
                "RDMAConnections", "RDMATransport", "Reporting", "RingTransport", "Scheduling",
                "SeededRandom", "SocketTransport", "SparsityCalibration", "Supervision",
                "SyntheticActivity", "Telemetry", "Tokenizer", "Topology", "Transformer",
            ],
            products: ["ArgumentParser", "Logging", "SystemPackage"],
            embedding: [
                "Texts/calibration.txt", "Texts/caveats.txt", "Texts/contradictions.txt",
                "Texts/paper.csv",
            ]),
        layer(
            .programs, "benchmarks",
            imports: [
                "ActivationPredictor", "CLinuxShims", "ConnectionProtocol", "Kernels",
                "LinkRecords", "MappedMemory", "Messages", "ModelCatalogue", "PackedSets", "Pacing",
                "Quantities", "RDMATransport", "RingTransport", "SeededRandom", "SocketTransport",
                "SyntheticActivity", "WeightFormats",
            ],
            products: ["ArgumentParser", "Histogram", "SystemPackage"],
            embedding: ["Texts/evaluation.txt"]),

        support("CTestConditions", isC: true),
        support("Simulation", imports: ["Messages"]),
        support("TemporaryFiles", products: ["SystemPackage"]),
        support("TestLevels"),
        support(
            "FuzzTargets",
            imports: [
                "ActivityTrace", "ConnectionProtocol", "LinkRecords", "MappedMemory", "Messages",
                "ModelFile", "OfflinePartition", "PackedSets", "RingTransport", "SocketTransport",
                "SparsityCalibration", "TemporaryFiles", "Tokenizer", "Topology", "WeightFormats",
            ], products: ["SystemPackage"]),
        support("TestModels", imports: ["SeededRandom", "WeightFormats"]),
        probe("SupervisionProbe", imports: ["Supervision"], products: ["SystemPackage"]),

        suite(
            "ActivationPredictorTests",
            imports: ["ActivationPredictor", "PackedSets", "SeededRandom"]),
        suite(
            "ActivityTraceTests",
            imports: ["ActivityTrace", "PackedSets", "SeededRandom", "TemporaryFiles"],
            products: ["SystemPackage"]),
        suite(
            "BaselineTimingTests",
            imports: [
                "BaselineTiming", "HardwareModel", "ModelCatalogue", "Quantities",
                "SyntheticActivity", "Topology",
            ]),
        suite(
            "ConnectionProtocolTests",
            imports: ["ConnectionProtocol", "LinkRecords", "TemporaryFiles"],
            products: ["SystemPackage"]),
        suite(
            "FaultInjectionTests",
            imports: ["FaultInjection", "Messages", "SeededRandom", "Simulation"]),
        suite(
            "FuzzTests",
            imports: [
                "ActivityTrace", "FuzzTargets", "LinkRecords", "Messages", "OfflinePartition",
                "PackedSets", "RingTransport", "SeededRandom", "SparsityCalibration",
                "TemporaryFiles",
                "TestModels",
            ],
            products: ["SystemPackage"], data: ["Corpus"]),
        suite("HardwareModelTests", imports: ["HardwareModel", "Quantities", "Topology"]),
        suite("HostFactsTests", imports: ["HostFacts", "NUMABinding"]),
        suite("KernelsTests", imports: ["Kernels", "SeededRandom", "WeightFormats"]),
        suite(
            "LaunchTests",
            imports: [
                "BaselineTiming", "CLinuxShims", "HardwareModel", "ModelCatalogue",
                "RDMAConnections", "SeededRandom", "SyntheticActivity", "TestLevels", "TestModels",
                "Topology", "WeightFormats",
            ],
            data: ["Data"]),
        suite("LinearProgramsTests", imports: ["LinearPrograms", "SeededRandom"]),
        suite("MappedMemoryTests", imports: ["MappedMemory"], products: ["SystemPackage"]),
        suite(
            "MessageLinkTests",
            imports: [
                "ConnectionProtocol", "LinkRecords", "Messages", "RDMAConnections", "RDMATransport",
                "RingTransport", "SeededRandom", "Simulation", "SocketTransport",
            ], products: ["SystemPackage"]),
        suite("MessagesTests", imports: ["Messages", "PackedSets", "SeededRandom"]),
        suite(
            "ModelCatalogueTests",
            imports: ["CheckedYAML", "ModelCatalogue", "Quantities", "WeightFormats"]),
        suite(
            "ModelFileTests",
            imports: ["MappedMemory", "ModelFile", "SeededRandom", "TestModels", "WeightFormats"],
            products: ["SystemPackage"]),
        suite(
            "NUMABindingTests", imports: ["CTestConditions", "NUMABinding"],
            products: ["SystemPackage"]),
        suite("NodeMeasurementTests", imports: ["NUMABinding", "NodeMeasurement"]),
        suite("NeuronPlacementTests", imports: ["NeuronPlacement", "Quantities", "SeededRandom"]),
        suite(
            "NeuronShardsTests",
            imports: [
                "Kernels", "MappedMemory", "ModelFile", "NeuronShards", "SeededRandom",
                "TestModels", "Transformer", "WeightFormats",
            ]),
        suite(
            "PacingTests", imports: ["MappedMemory", "Pacing", "Quantities", "SeededRandom"]),
        suite(
            "OfflinePartitionTests", imports: ["OfflinePartition", "Quantities", "SeededRandom"]),
        suite("PackedSetsTests", imports: ["PackedSets", "SeededRandom"]),
        suite("QuantitiesTests", imports: ["Quantities", "SeededRandom"]),
        suite(
            "RDMATransportTests",
            imports: [
                "ConnectionProtocol", "LinkRecords", "Messages", "RDMAConnections", "RDMATransport",
                "Simulation",
            ]),
        suite("ReportingTests", imports: ["CheckedYAML", "Reporting"]),
        suite(
            "RingTransportTests",
            imports: [
                "LinkRecords", "MappedMemory", "Messages", "RingTransport", "SeededRandom",
                "Simulation",
            ],
            products: ["SystemPackage"]),
        suite(
            "SchedulingTests",
            imports: [
                "ActivationPredictor", "PackedSets", "Quantities", "Scheduling", "SeededRandom",
            ]),
        suite("SeededRandomTests", imports: ["SeededRandom"]),
        suite(
            "SocketTransportTests",
            imports: [
                "ConnectionProtocol", "LinkRecords", "Messages", "Simulation", "SocketTransport",
            ]),
        suite(
            "SparsityCalibrationTests",
            imports: ["SeededRandom", "SparsityCalibration", "TemporaryFiles"],
            products: ["SystemPackage"]),
        suite(
            "SupervisionTests", imports: ["Supervision", "SupervisionProbe"],
            products: ["SystemPackage"]),
        suite(
            "SyntheticActivityTests",
            imports: ["ModelCatalogue", "PackedSets", "Quantities", "SyntheticActivity"]),
        suite(
            "SystemTests",
            imports: [
                "ActivationPredictor", "Coordinator", "DIMMWorker", "HardwareModel", "MappedMemory",
                "Messages",
                "ModelFile",
                "NeuronPlacement", "NeuronShards", "Pacing", "PackedSets", "Quantities",
                "Scheduling", "SeededRandom", "Simulation", "SparsityCalibration", "Telemetry",
                "TemporaryFiles", "TestLevels", "TestModels", "Topology", "Transformer",
                "WeightFormats",
            ]),
        suite("TelemetryTests", imports: ["Telemetry"]),
        suite("TidyTests"),
        suite("TokenizerTests", imports: ["Tokenizer"]),
        suite(
            "TopologyTests", imports: ["CheckedYAML", "Quantities", "SeededRandom", "Topology"]),
        suite(
            "TransformerTests",
            imports: [
                "ModelFile", "PackedSets", "SeededRandom", "SparsityCalibration", "TemporaryFiles",
                "TestModels", "Transformer", "WeightFormats",
            ]),
        suite("WeightFormatsTests", imports: ["WeightFormats"]),
    ],
    swiftLanguageModes: [.v6]
)

// libFuzzer's program needs its instrumentation everywhere and has no `main` of its own, so it is
// no part of an ordinary build; launch/fuzz asks for it.
if Context.environment["HERMES_FUZZ"] != nil {
    let fuzz = probe("Fuzz", imports: ["FuzzTargets"])
    fuzz.swiftSettings?.append(.unsafeFlags(["-parse-as-library"]))
    package.targets.append(fuzz)
}
