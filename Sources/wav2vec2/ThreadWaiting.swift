import ArgumentParser
import Foundation

/// Whether a command computes for long enough to care about how threads wait for each other.
func isLongRunning(_ command: any ParsableCommand.Type) -> Bool {
    let commands: [any ParsableCommand.Type] = [
        PretrainCommand.self, FinetuneCommand.self, EvaluateCommand.self, ReportCommand.self,
        PretrainBenchmarkCommand.self,
        FinetuneBenchmarkCommand.self, InferenceBenchmarkCommand.self, ScalingCommand.self,
        AlignCommand.self, TranscribeCommand.self, LanguageModelTuneCommand.self,
    ]
    return commands.contains { $0 == command }
}

/// Starts the program again with a short OpenMP spin count, unless the user has chosen how threads wait.
///
/// After each operator OpenMP's threads spin for milliseconds. On an idle machine that is harmless; where another
/// process wants the cores too, waiting threads take the time that working ones need, and training becomes several
/// times slower. A short spin costs nothing measurable on an idle machine. The library reads the setting while it is
/// loaded, before any of our code runs, so it takes a second start.
func restartWithShortSpinning() {
    let environment = ProcessInfo.processInfo.environment
    guard environment["GOMP_SPINCOUNT"] == nil, environment["OMP_WAIT_POLICY"] == nil else { return }
    setenv("GOMP_SPINCOUNT", "10000", 1)
    var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv("/proc/self/exe", &arguments)
    // Without /proc the program goes on as it is: slower at worst.
}
