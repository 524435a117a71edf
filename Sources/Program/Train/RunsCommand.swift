import ArgumentParser
import Foundation
import W2VBase
import W2VTraining

/// `wav2vec2 runs`: the training runs in folders, with their state and best result.
struct RunsCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "List training runs with their state and best result.",
        discussion: """
            Searches FOLDER and up to four levels below it. A run is running, finished, stopped (--resume continues \
            it), unsaved (it ended before its first save), or damaged. What a run was made from is in its run.json: \
            the commands, manifests, starting checkpoint and all values of the recipe.

            Examples:
              wav2vec2 runs
              wav2vec2 runs runs/base runs/10h --json
            """)

    @Argument(help: "Folders to search. (default: this one)", completion: .directory)
    var folder: [String] = []

    @Flag(help: "Print one JSON object per run and line.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let folders = folder.isEmpty ? ["."] : folder
        for path in folders where !FileManager.default.fileExists(atPath: path) {
            throw CommandError(.input, "\(path): there is no such folder", "check the path")
        }
        // A run is shown by the path that leads to it from here.
        let runs = folders.flatMap { path in
            RunSummary.all(in: fileURL(path).standardizedFileURL).map {
                (name: Self.name($0.folder, below: path), run: $0)
            }
        }
        if json {
            for (name, run) in runs { try Console.output(try jsonLine(RunReport(name, run))) }
        } else if runs.isEmpty {
            Console.log.info("no runs in \(folders.joined(separator: ", "))")
        } else {
            try Console.output(Self.table(runs).text)
        }
    }

    private static func name(_ run: URL, below path: String) -> String {
        let rest = String(run.path.dropFirst(fileURL(path).standardizedFileURL.path.count).drop { $0 == "/" })
        if rest.isEmpty { return path }
        return path == "." ? rest : (path.hasSuffix("/") ? path : path + "/") + rest
    }

    private static func table(_ runs: [(name: String, run: RunSummary)]) -> TextTable {
        TextTable(
            header: ["run", "task", "state", "update", "best", "saved"],
            rows: runs.map { name, run in
                [
                    name.printable, run.task ?? "", run.status.rawValue,
                    run.update.map { "\($0)/\(run.maxUpdate.map(String.init) ?? "?")" } ?? "",
                    run.best.map(Self.words) ?? "", run.saved.map(Self.time) ?? "",
                ]
            }, rightAligned: [3])
    }

    private static func words(_ best: RunSummary.Best) -> String {
        let value =
            best.metric == "loss"
            ? "loss \(decimal(best.value, 3))" : "\(best.metric.uppercased()) \(percentage(best.value))"
        return "\(value) after \(best.update)"
    }

    /// The time of a save in local time, as `ls` shows it.
    private static func time(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm"
        return formatter.string(from: date)
    }
}

/// A line of `runs --json`.
private struct RunReport: Encodable {
    struct Best: Encodable {
        var metric: String
        var value: Nullable<Double>
        var update: Int
    }

    var folder: String
    var task: Nullable<String>
    var state: String
    var update: Nullable<Int>
    var maxUpdate: Nullable<Int>
    var best: Nullable<Best>
    var checkpoint: Nullable<String>
    var from: Nullable<String>
    var saved: Nullable<String>

    init(_ name: String, _ run: RunSummary) {
        folder = name
        (task, state) = (Nullable(run.task), run.status.rawValue)
        (update, maxUpdate) = (Nullable(run.update), Nullable(run.maxUpdate))
        best = Nullable(
            run.best.map { best in
                Best(metric: best.metric, value: Nullable(best.value.isFinite ? best.value : nil), update: best.update)
            })
        checkpoint = Nullable(run.checkpoint.map { name + "/" + $0.lastPathComponent })
        from = Nullable(run.origin)
        saved = Nullable(run.saved?.ISO8601Format())
    }
}
