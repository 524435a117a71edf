import ArgumentParser
import Foundation
import W2VFeatures
import W2VRecognition

/// `wav2vec2 units`: pseudo-phonemes.
struct UnitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "units",
        abstract: "Turn speech into discrete units: the quantizer's codes, or clusters of a layer's features.",
        subcommands: [UnitsCodesCommand.self, UnitsTrainCommand.self, UnitsApplyCommand.self, UnitsQualityCommand.self])
}

extension UnitSequence.Format: ExpressibleByArgument {}

/// Where units are written, and how.
struct UnitOutput: ParsableArguments {
    @Option(
        help:
            "Output format: text has a name, a tab and the units on each line; km has only the units, for HuBERT's recipes."
    )
    var format = UnitSequence.Format.text

    @Flag(help: "Write one unit for each run of equal units.")
    var collapse = false

    @Option(help: "File to write, instead of standard output.", completion: .file())
    var output: String?

    @Option(help: "Dictionary to write too, with a line 'UNIT 1' for every possible unit.", completion: .file())
    var dictionary: String?

    func validate() throws {
        guard output == nil || output != dictionary else {
            throw ValidationError("--output and --dictionary name the same file.")
        }
    }

    /// Writes the units of all recordings, in order.
    ///
    /// In a .km file one that could not be used gets an empty line, so that lines and manifest go together.
    ///
    /// - Parameters:
    ///   - run: The recordings.
    ///   - symbols: Every unit that there can be.
    ///   - isolation: The caller's actor.
    ///   - work: Gives the units of a group.
    /// - Throws: What goes wrong.
    func write(
        _ run: inout RecordingRun, symbols: some Sequence<String>, isolation: isolated (any Actor)? = #isolation,
        _ work: ([Recording], @escaping @Sendable (Int, Double) -> Void) async throws -> [Result<[String], any Error>]
    ) async throws {
        let writer = try output.map { try UnitWriter(fileURL($0), format: format) }
        if let dictionary { try UnitWriter.write(dictionary: symbols, to: fileURL(dictionary)) }
        let sources = run.recordings.map(\.source)
        var count = 0
        try await run.forEach(work) { index, symbols in
            guard symbols != nil || format == .km else { return }
            var sequence = UnitSequence(name: sources[index].identifier, symbols: symbols ?? [])
            if collapse { sequence = sequence.collapsed }
            count += sequence.symbols.count
            try writer?.append(sequence) ?? Console.output(sequence.line(format))
        }
        try writer?.finish()
        Console.error("\(run.command): \(run.summary), \(count) units" + (output.map { ": \($0)" } ?? ""))
        try run.end()
    }
}
