import ArgumentParser

/// `--binding`, of the commands that run on real nodes.
struct BindingOptions: ParsableArguments {
    @Option(
        help: """
            When the kernel refuses a NUMA binding or pages lie elsewhere: strict ends the run \
            (exit 69 or 73), best-effort says so and goes on.
            """)
    var binding = BindingStrictness.strict
}

/// What to do about a binding that was not obtained.
enum BindingStrictness: String, ExpressibleByArgument, CaseIterable {
    case strict
    case bestEffort = "best-effort"
}
