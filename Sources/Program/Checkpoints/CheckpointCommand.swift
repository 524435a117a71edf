import ArgumentParser
import W2VInterchange

/// `wav2vec2 checkpoint`: inspects, compares, converts and fetches checkpoints.
struct CheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Inspect, convert, compare, average and download checkpoints.",
        subcommands: [
            InspectCommand.self,
            ConvertCommand.self,
            VerifyCommand.self,
            AverageCommand.self,
            FetchCommand.self,
        ])
}

extension CheckpointFormat: ExpressibleByArgument {}
