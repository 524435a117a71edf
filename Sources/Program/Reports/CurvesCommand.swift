import ArgumentParser
import Foundation
import W2VReporting

/// `wav2vec2 curves`: shows learning curves of runs side by side.
struct CurvesCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "curves",
        abstract: "Plot the learning curves of several runs in one SVG file.",
        discussion: """
            Plots the metrics in each run's metrics.jsonl: one chart per metric, one curve per run. Without --field, \
            the charts are the loss and every metric that a run declares with a label (the metrics that the console \
            shows), such as accuracy, code perplexity or error rates. The palette has four colors.

            Example:
              wav2vec2 curves plain=runs/plain hourglass=runs/hourglass --output curves.svg
            """)

    @Argument(
        help: ArgumentHelp(
            "Runs to compare: folders or metrics.jsonl, each with a name or under the folder's.", valueName: "name=path"
        ),
        completion: .file())
    var runs: [String]

    @Option(help: "Kind of records to plot: train or valid.")
    var kind = "valid"

    @Option(help: "Field of the records to plot; repeatable. (default: the loss and the declared metrics)")
    var field: [String] = []

    @Option(name: [.customShort("o"), .long], help: "SVG file to write.", completion: .file(extensions: ["svg"]))
    var output: String

    @OptionGroup var logging: LogOptions

    func validate() throws {
        let names = runs.map { Self.source($0).name }
        if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw ValidationError("Two runs are called \(twice); give them names: NAME=PATH.")
        }
    }

    func run() throws {
        let files = runs.map(Self.source)
        try refuseReplacing(files.map(\.metrics), by: output)
        let suffix = fileURL(output).pathExtension.lowercased()
        if !suffix.isEmpty, suffix != "svg" {
            throw ValidationError("--output \(output): the charts are SVG; name a file that ends in .svg.")
        }
        let comparison = RunComparison(
            runs: try files.map { (name: $0.name, metrics: try MetricsSeries(contentsOf: $0.metrics)) }, kind: kind)
        let fields = field.isEmpty ? comparison.fields : field
        let charts = fields.map(comparison.chart)
        guard charts.contains(where: { !$0.series.isEmpty }) else {
            throw CommandError(
                .failure,
                "no run has a '\(kind)' record with "
                    + (field.isEmpty ? "one of the usual fields" : "the field \(field.joined(separator: ", "))"),
                "look at the lines of metrics.jsonl")
        }
        let file = fileURL(output)
        try writeResult(ChartSheet(charts: charts).svg(), to: file)
        try Console.output(file.path)
    }

    /// Returns the name of a run and its metrics file.
    private static func source(_ run: String) -> (name: String, metrics: URL) {
        let named = NamedPath(run)
        let url = fileURL(named.path)
        let folder = url.appendingPathComponent("metrics.jsonl")
        let own = url.lastPathComponent == "metrics.jsonl" ? url.deletingLastPathComponent() : url
        return (
            named.name ?? own.standardizedFileURL.lastPathComponent,
            FileManager.default.fileExists(atPath: folder.path) ? folder : url
        )
    }
}
