import ArgumentParser
import Foundation
import W2VBase
import W2VInterchange
import W2VTraining

/// `wav2vec2 checkpoint average`: one model from several checkpoints.
struct AverageCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "average",
        abstract: "Average the weights of several checkpoints.",
        discussion: """
            The mean of several checkpoints from the end of a run often recognizes better than any one of them. They \
            must have the same architecture, task and labels. Sums are computed in double precision.

            PATH is a checkpoint's folder. With --last, it is a run's folder, and the newest checkpoints in it are \
            averaged; set checkpoint.keep_last_checkpoints or checkpoint.keep_milestones for the run to keep several.

            Examples:
              wav2vec2 checkpoint average runs/10h/update-8000 runs/10h/last \\
                --output averaged
              wav2vec2 checkpoint average --last 5 runs/10h --output averaged
            """)

    @Argument(help: "Checkpoints to average.", completion: .directory)
    var path: [String]

    @Option(
        name: [.customShort("o"), .long], help: "Folder of the new checkpoint; it must not exist yet.",
        completion: .directory)
    var output: String

    @Option(help: ArgumentHelp("Average the newest N checkpoints in a run's folder.", valueName: "n"))
    var last: Int?

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if path.isEmpty { throw ValidationError("Name the checkpoints, or a training folder with --last.") }
        guard let last else { return }
        if last < 1 { throw ValidationError("--last is \(last); it must be at least 1.") }
        if path.count != 1 { throw ValidationError("--last takes one training folder.") }
    }

    func run() throws {
        let folders = try last.map { try newestStates(of: fileURL(path[0]), count: $0) } ?? path.map(modelURL)
        let checkpoints = try folders.map { folder in
            Console.progress("checkpoint average: reading \(folder.relativePath)")
            let checkpoint = try Checkpoint.read(folder)
            Console.notes(checkpoint.notes, of: folder.relativePath)
            return checkpoint
        }
        let state = try Checkpoint.average(checkpoints)
        let folder = fileURL(output)
        guard !FileManager.default.fileExists(atPath: folder.path) else {
            throw CommandError(
                .usage, "\(folder.path) exists already, and nothing is overwritten", "choose another --output")
        }
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
        _ = try AtomicFolder.write(to: folder) {
            try Checkpoint.write(checkpoints[0].description, state: state, to: $0)
        }
        Console.log.info("\(output): the mean of \(folders.map(\.relativePath).joined(separator: ", "))")
    }
}
