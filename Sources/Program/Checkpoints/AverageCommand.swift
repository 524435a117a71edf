import ArgumentParser
import Foundation
import W2VBase
import W2VInterchange
import W2VTraining

/// `wav2vec2 checkpoint average`: one model from several checkpoints.
struct AverageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "average",
        abstract: "Average the weights of several checkpoints.",
        discussion: """
            The mean of checkpoints from the last part of a run often recognises better than any one of them. All must \
            have the same architecture, task and labels; sums are made in double precision.

            PATH is a checkpoint's folder; with --last it is a training folder, whose newest states are averaged: set \
            checkpoint.keep_last_checkpoints or checkpoint.keep_milestones while training.

            Examples:
              wav2vec2 checkpoint average runs/10h/update-8000 runs/10h/last --output averaged
              wav2vec2 checkpoint average --last 5 runs/10h --output averaged
            """)

    @ArgumentParser.Argument(help: "The checkpoints.", completion: .directory)
    var path: [String]

    @Option(help: "The new checkpoint's folder; it must not be there yet.", completion: .directory)
    var output: String

    @Option(help: ArgumentHelp("Average the newest N states of a training folder.", valueName: "n"))
    var last: Int?

    func validate() throws {
        if path.isEmpty { throw ValidationError("Name the checkpoints, or a training folder with --last.") }
        guard let last else { return }
        if last < 1 { throw ValidationError("--last is \(last); it must be at least 1.") }
        if path.count != 1 { throw ValidationError("--last takes one training folder.") }
    }

    func run() throws {
        let folders = try last.map { try newestStates(of: fileURL(path[0]), count: $0) } ?? path.map(fileURL)
        let checkpoints = try folders.map { folder in
            Console.progress("checkpoint average: reading \(folder.relativePath)")
            let checkpoint = try Checkpoint.read(folder)
            Console.notes(checkpoint.notes, of: folder.relativePath)
            return checkpoint
        }
        let state = try Checkpoint.average(checkpoints)
        let folder = fileURL(output)
        guard !FileManager.default.fileExists(atPath: folder.path) else {
            throw TrainingError.usage(
                "\(folder.path) is there already: choose another --output, nothing is overwritten")
        }
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
        _ = try AtomicFolder.write(to: folder) {
            try Checkpoint.write(checkpoints[0].description, state: state, to: $0)
        }
        Console.error("\(output): the mean of \(folders.map(\.relativePath).joined(separator: ", "))")
    }
}
