import BaselineTiming

/// The published throughputs: arXiv 2502.16963, figures 9, 10, 11 and 17, each point once. Tokens
/// per second, 128 tokens in and 128 out.
enum PublishedThroughput {
    static let all: [PublishedPoint] = [
        points(.accelerate, "Falcon-40B", [1: 0.07, 2: 0.14, 4: 0.19, 8: 0.28, 16: 0.51]),
        points(.accelerate, "LLaMA2-13B", [1: 0.91]),
        points(.accelerate, "LLaMA2-70B", [1: 0.04, 2: 0.12, 4: 0.24, 8: 0.46, 16: 1.05]),
        points(.accelerate, "OPT-13B", [1: 0.16]),
        points(.accelerate, "OPT-30B", [1: 0.11]),
        points(.accelerate, "OPT-66B", [1: 0.04, 2: 0.08, 4: 0.13, 8: 0.23, 16: 0.33]),
        points(.dejaVu, "OPT-13B", [1: 1.37]),
        points(.dejaVu, "OPT-30B", [1: 0.34]),
        points(.dejaVu, "OPT-66B", [1: 0.16, 2: 0.32, 4: 0.63, 8: 1.26, 16: 2.51]),
        points(.flexGen, "OPT-13B", [1: 0.46]),
        points(.flexGen, "OPT-30B", [1: 0.2]),
        points(.flexGen, "OPT-66B", [1: 0.09, 2: 0.18, 4: 0.37, 8: 0.74, 16: 1.48]),
        points(.hermes, "Falcon-40B", [1: 30.02, 2: 45.34, 4: 70.28, 8: 113.09, 16: 182.72]),
        points(.hermes, "LLaMA2-13B", [1: 91.95]),
        points(.hermes, "LLaMA2-70B", [1: 13.75, 2: 16.05, 4: 21.49, 8: 33.36, 16: 57.02]),
        points(.hermes, "OPT-13B", [1: 135.64]),
        points(.hermes, "OPT-30B", [1: 46.16]),
        points(.hermes, "OPT-66B", [1: 20.37, 2: 32.71, 4: 51.58, 8: 80.85, 16: 125.99]),
        points(.hermesBase, "Falcon-40B", [1: 4.34, 2: 7.07, 4: 10.37, 8: 13.52, 16: 15.92]),
        points(.hermesBase, "LLaMA2-13B", [1: 30.9]),
        points(.hermesBase, "LLaMA2-70B", [1: 2.45, 2: 3.95, 4: 5.72, 8: 7.36, 16: 8.59]),
        points(.hermesBase, "OPT-66B", [1: 2.92, 2: 4.7, 4: 6.78, 8: 8.67, 16: 10.13]),
        points(.hermesHost, "Falcon-40B", [1: 5.58, 2: 6.69, 4: 8.95, 8: 13.91, 16: 22.77]),
        points(.hermesHost, "LLaMA2-13B", [1: 11.86]),
        points(.hermesHost, "LLaMA2-70B", [1: 1.97, 2: 2.01, 4: 2.37, 8: 3.62, 16: 6.29]),
        points(.hermesHost, "OPT-13B", [1: 20.39]),
        points(.hermesHost, "OPT-30B", [1: 9.07]),
        points(.hermesHost, "OPT-66B", [1: 4.24, 2: 5.32, 4: 7.25, 8: 11.01, 16: 17.9]),
        points(.tensorRTLLM, "LLaMA2-70B", [1: 17.38, 2: 35.91, 4: 68.44, 8: 124.48, 16: 233.69]),
    ].flatMap(\.self)

    private static func points(
        _ system: ComparedSystem, _ model: String, _ values: KeyValuePairs<Int, Double>
    ) -> [PublishedPoint] {
        values.map {
            PublishedPoint(system: system, model: model, batchSize: $0.key, published: $0.value)
        }
    }
}
