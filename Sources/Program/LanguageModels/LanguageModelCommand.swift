import ArgumentParser
import Foundation
import W2VBase
import W2VDecoding

/// `wav2vec2 lm`: language models.
struct LanguageModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lm",
        abstract: "Build, convert, inspect and tune language models.",
        subcommands: [
            LanguageModelBuildCommand.self, LanguageModelTuneCommand.self, LanguageModelConvertCommand.self,
            LanguageModelInspectCommand.self,
        ])
}

/// `wav2vec2 lm build`: builds an ARPA model from text.
struct LanguageModelBuildCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Build an n-gram language model from text.",
        discussion: """
            Uses interpolated modified Kneser-Ney smoothing, like KenLM's lmplz. The text has one sentence per line, \
            in the letters of the model's dictionary. Only the distinct words must fit in memory. N-grams are sorted \
            in --memory, and on disk beyond that, which takes up to 4 (N + 2) bytes per word of text.

            Examples:
              wav2vec2 lm build text.txt --order 3 --output 3-gram.arpa.gz
              wav2vec2 lm build *.txt.gz --order 4 --prune 0 0 1 --output 4-gram.arpa
            """)

    @Argument(help: "Text files, plain or gzip-compressed.", completion: .file())
    var text: [String]

    @Option(help: "Order of the model: the length of its longest n-grams.")
    var order = 3

    @Option(help: "ARPA file to write; .gz compresses it.", completion: .file())
    var output: String

    @Option(
        parsing: .upToNextOption,
        help:
            "For each order, the count up to which n-grams are pruned, such as 0 0 1; the last value applies to higher orders."
    )
    var prune: [Int] = []

    @Flag(help: "Use the discounts 0.5, 1 and 1.5 if they cannot be estimated from the text.")
    var discountFallback = false

    @Option(help: "Memory for sorting, in GB.")
    var memory = 1.0

    @Option(help: "Folder for sorting on disk. (default: the system's temporary folder)", completion: .directory)
    var temporary: String?

    @Flag(help: "Replace an existing file.")
    var force = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        guard (0.001...100_000).contains(memory) else {
            throw ValidationError("--memory is \(memory); it must be a number of gigabytes.")
        }
        try refuseReplacing(text.map(fileURL), by: output)
    }

    func run() throws {
        try refuseExisting(output, replaces: force)
        let options = LanguageModelBuilder.Options(
            order: order, prune: prune, fallback: discountFallback ? [0.5, 1, 1.5] : nil,
            memory: Int(memory * 1_073_741_824),
            temporaryFolder: temporary.map(fileURL) ?? FileManager.default.temporaryDirectory)
        let builder: LanguageModelBuilder
        do {
            builder = try LanguageModelBuilder(options: options)
        } catch {
            guard case .badOption(let name, let value, let expected) = error else { throw error }
            throw ValidationError("--\(name) is \(value); it must be \(expected).")
        }
        for path in text {
            try builder.add(fileURL(path)) { lines in Console.progress("lm build: \(path): \(lines) lines") }
        }
        let summary = try builder.write(to: fileURL(output))
        if json {
            try Console.output(
                try jsonLine(
                    BuildReport(
                        output: output, tokens: summary.tokens, counts: summary.counts, discounts: summary.discounts)))
        } else {
            let counts = summary.counts.enumerated().map { "\($1) \($0 + 1)-grams" }.joined(separator: ", ")
            Console.log.info("lm build: \(output): \(counts) from \(summary.tokens) words")
        }
    }
}

/// The object that `lm build --json` prints.
private struct BuildReport: Encodable {
    var output: String
    var tokens: Int
    var counts: [Int]
    var discounts: [[Float]]
}

/// `wav2vec2 lm convert`: converts a model to the binary form.
struct LanguageModelConvertCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Convert an ARPA file to a binary file, which opens instantly and is shared by processes.",
        discussion: """
            KenLM's binary files need no conversion.

            Example:
              wav2vec2 lm convert 4-gram.arpa.gz 4-gram.bin
            """)

    @Argument(help: "ARPA file, plain or gzip-compressed.", completion: .file())
    var input: String

    @Argument(help: "File to write.", completion: .file())
    var output: String

    @Flag(help: "Replace an existing file.")
    var force = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        try refuseReplacing([fileURL(input)], by: output, option: "the output")
        try refuseExisting(output, replaces: force)
        let model = try LanguageModel(contentsOf: fileURL(input))
        try model.writeBinary(to: fileURL(output))
        Console.log.info("lm convert: \(output): \(model.counts.reduce(0, +)) n-grams of order \(model.order)")
    }
}

/// `wav2vec2 lm inspect`: shows a model's contents, and scores a sentence.
struct LanguageModelInspectCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a language model contains and how it scores sentences.",
        discussion: """
            Example:
              wav2vec2 lm inspect 3-gram.arpa.gz --score "A TIDY HOUSE"
            """)

    @Argument(help: "Language model to inspect.", completion: .file())
    var path: String

    @Option(help: "Sentence to score; repeatable.")
    var score: [String] = []

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let model = try LanguageModel(contentsOf: fileURL(path))
        let report = ModelReport(
            path: path, format: model.format.description, order: model.order, counts: model.counts,
            sentences: score.map { SentenceReport($0, model) })
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// A sentence's scores.
private struct SentenceReport: Encodable {
    struct Word: Encodable {
        var word: String
        var log10: Float
        var unknown: Bool
    }

    var words: [Word]
    var log10: Float
    var perplexity: Double

    init(_ sentence: String, _ model: LanguageModel) {
        let text = LetterText.words(in: sentence)
        words = zip(text + ["</s>"], model.score(text)).map { Word(word: $0, log10: $1.log10, unknown: $1.isUnknown) }
        log10 = words.reduce(0) { $0 + $1.log10 }
        perplexity = pow(10, -Double(log10) / Double(words.count))
    }
}

/// The output of `lm inspect`.
private struct ModelReport: Encodable {
    var path: String
    var format: String
    var order: Int
    var counts: [Int]
    var sentences: [SentenceReport]

    var text: String {
        var lines = ["\(path): a language model of order \(order) (\(format))"]
        lines += counts.enumerated().map { "  \($0 + 1)-grams  \($1)" }
        for sentence in sentences {
            lines.append("")
            for word in sentence.words {
                lines.append("  \(decimal(Double(word.log10), 4))  \(word.word)\(word.unknown ? "  (unknown)" : "")")
            }
            lines.append(
                "  \(decimal(Double(sentence.log10), 4))  together; perplexity \(decimal(sentence.perplexity, 1))")
        }
        return lines.joined(separator: "\n")
    }
}
