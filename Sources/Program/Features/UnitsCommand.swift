import ArgumentParser
import Foundation
import W2VFeatures
import W2VInference

/// `wav2vec2 units`: pseudo-phonemes.
struct UnitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "units",
        abstract: "Turn speech into discrete units: the quantizer's codes, or clusters of a layer's features.",
        subcommands: [UnitsCodesCommand.self, UnitsTrainCommand.self, UnitsApplyCommand.self, UnitsQualityCommand.self])
}

extension UnitSequence.Format: ExpressibleByArgument {}

/// The options of the output of units.
struct UnitOutput: ParsableArguments {
    @Option(
        help:
            "Output format: text has a name, a tab and the units on each line; km has only the units, for HuBERT's recipes."
    )
    var format = UnitSequence.Format.text

    @Flag(help: "Write one unit for each run of equal units.")
    var collapse = false

    @Option(name: [.customShort("o"), .long], help: "File to write, instead of standard output.", completion: .file())
    var output: String?

    @Option(help: "Dictionary to write too, with a line 'UNIT 1' for every possible unit.", completion: .file())
    var dictionary: String?

    func validate() throws {
        if let output, let dictionary, isSameFile(output, dictionary) {
            throw ValidationError("--output and --dictionary name the same file.")
        }
    }

    /// Writes the units of all recordings, in order.
    ///
    /// In a .km file, a recording that could not be used gets an empty line, so that lines and manifest match.
    ///
    /// - Parameters:
    ///   - results: The units of each recording.
    ///   - recordings: The recordings.
    ///   - symbols: Every possible unit.
    func write(
        _ results: InferenceResults<[String]>, _ recordings: RecordingTally, symbols: some Sequence<String>
    ) async throws {
        let writer = try output.map { try UnitWriter(fileURL($0), format: format) }
        if let dictionary { try UnitWriter.write(dictionary: symbols, to: fileURL(dictionary)) }
        var tally = recordings
        var count = 0
        for try await pass in results {
            for (number, symbols) in tally.take(pass) where symbols != nil || format == .km {
                var sequence = UnitSequence(name: tally.all[number].source.identifier, symbols: symbols ?? [])
                if collapse { sequence = sequence.collapsed }
                count += sequence.symbols.count
                try writer?.append(sequence) ?? Console.output(sequence.line(format))
            }
        }
        try writer?.finish()
        Console.log.info("\(tally.command): \(tally.summary), \(count) units\(output.map { ": \($0)" } ?? "")")
        try tally.end()
    }
}
