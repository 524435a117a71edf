import ArgumentParser
import Foundation
import W2VFeatures
import W2VRecognition

/// `wav2vec2 units`: pseudo-phonemes.
struct UnitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "units",
        abstract: "Turn speech into sequences of numbers: the quantizer's codes, or clusters of a layer.",
        subcommands: [UnitsCodesCommand.self, UnitsTrainCommand.self, UnitsApplyCommand.self, UnitsQualityCommand.self])
}

extension UnitSequence.Format: ExpressibleByArgument {}

/// Where units are written, and how.
struct UnitOutput: ParsableArguments {
    @Option(help: "text: a name, a tab and the units of each line; km: the units alone, as HuBERT's recipes read them.")
    var format = UnitSequence.Format.text

    @Flag(help: "Write one unit for each run of equal ones.")
    var collapse = false

    @Option(help: "The file to write, in place of standard output.", completion: .file())
    var output: String?

    @Option(help: "Also write a dictionary, a line 'UNIT 1' for every unit that there can be.", completion: .file())
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
        Console.log.info("\(run.command): \(run.summary), \(count) units\(output.map { ": \($0)" } ?? "")")
        try run.end()
    }
}
