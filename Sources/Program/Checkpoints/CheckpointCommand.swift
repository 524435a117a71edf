import ArgumentParser
import Foundation
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

/// Returns the checkpoint at a path: the path itself, or a training folder's `last/`.
func checkpointURL(_ path: String) -> URL {
    let url = fileURL(path)
    let last = url.appendingPathComponent("last")
    let manager = FileManager.default
    let isCheckpoint = manager.fileExists(atPath: url.appendingPathComponent(Checkpoint.configurationName).path)
    return !isCheckpoint && manager.fileExists(atPath: last.path) ? last : url
}

extension CheckpointFormat: ExpressibleByArgument {}
