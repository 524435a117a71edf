import ArgumentParser
import Foundation
import W2VBase
import W2VDecoding

/// `wav2vec2 benchmark decoding`.
struct DecodingBenchmarkCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoding",
        abstract: "Time beam search with a 3-gram model.",
        discussion: """
            Decodes synthetic log-probabilities of generated sentences (32 labels, 50 frames per second) with a 3-gram \
            model that 'lm build' builds from the same text. All decoding options but the beam width have their \
            default values. The CPU time is reported too; unlike the wall-clock time, it does not depend on how busy \
            the machine is.

            Example:
              wav2vec2 benchmark decoding --threads 2
            """)

    @Option(help: "Number of utterances to decode.")
    var utterances = 100

    @Option(help: "Length of each utterance in seconds.")
    var seconds = 10.0

    @Option(help: "Number of hypotheses to keep after each frame.")
    var beamWidth = BeamSearchOptions().beamWidth

    @Option(help: "Number of sentences to build the language model from.")
    var sentences = 30_000

    @Option(help: "Number of times to decode all of them; the median is reported.")
    var repetitions = 3

    @Option(help: "Number of utterances to decode in parallel. (default: all cores)")
    var threads: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        for (name, value) in [
            ("utterances", utterances), ("beam-width", beamWidth), ("sentences", sentences),
            ("repetitions", repetitions), ("threads", threads ?? 1),
        ] where value < 1 {
            throw ValidationError("--\(name) is \(value); it must be at least 1.")
        }
        guard (0.02...3600).contains(seconds) else {
            throw ValidationError("--seconds is \(seconds); it must be from 0.02 to 3600.")
        }
    }

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let text = SyntheticText(words: min(20_000, sentences), seed: 1)
        Console.progress("benchmark: making the language model")
        let model = try languageModel(text, in: folder)
        var options = BeamSearchOptions()
        options.beamWidth = beamWidth
        let decoder = try BeamSearchDecoder(
            alphabet: DecodingAlphabet(symbols: SyntheticText.symbols, silent: [1, 2, 3]), model: model,
            options: options)
        let frames = Int(seconds * 50)
        let scores = (0..<utterances).map { text.logProbabilities(frames: frames, utterance: $0) }
        let least = Float(options.tokenMinLogp)
        let tried = scores.reduce(0) { $0 + $1.count { $0 >= least } }

        var times: [Double] = []
        var processorTimes: [Double] = []
        for repetition in 1...repetitions {
            Console.progress("benchmark: repetition \(repetition) of \(repetitions)")
            let (began, processor) = (ContinuousClock.now, processorSeconds())
            _ = try await decoder.decode(scores, threads: threads)
            times.append((ContinuousClock.now - began) / .seconds(1))
            processorTimes.append(processorSeconds() - processor)
        }
        let report = DecodingBenchmarkReport(
            utterances: utterances, seconds: seconds, beamWidth: beamWidth,
            threads: threads ?? ProcessInfo.processInfo.activeProcessorCount,
            labelsAFrame: Double(tried) / Double(frames * utterances), medianS: median(times),
            processorS: median(processorTimes))
        try Console.output(json ? try jsonLine(report) : report.text)
    }

    private func languageModel(_ text: SyntheticText, in folder: URL) throws -> LanguageModel {
        let (corpus, arpa) = (folder.appendingPathComponent("text"), folder.appendingPathComponent("model.arpa"))
        let lines = (0..<sentences).map { text.sentence(words: 15, number: $0).joined(separator: " ") }
        try Data(lines.joined(separator: "\n").utf8).write(to: corpus)
        let builder = try LanguageModelBuilder(
            options: .init(order: 3, fallback: [0.5, 1, 1.5], temporaryFolder: folder))
        try builder.add(corpus)
        try builder.write(to: arpa)
        return try LanguageModel(contentsOf: arpa)
    }
}

/// Returns the CPU time of this process on all cores, in seconds.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// The output of `benchmark decoding`.
private struct DecodingBenchmarkReport: Encodable {
    var task = "decoding"
    var utterances: Int
    var seconds: Double
    var beamWidth: Int
    var threads: Int
    var labelsAFrame: Double
    var medianS: Double
    var processorS: Double
    var utterancesPerS: Double
    var utterancesPerProcessorS: Double

    init(
        utterances: Int, seconds: Double, beamWidth: Int, threads: Int, labelsAFrame: Double, medianS: Double,
        processorS: Double
    ) {
        self.utterances = utterances
        self.seconds = seconds
        self.beamWidth = beamWidth
        self.threads = threads
        self.labelsAFrame = labelsAFrame
        self.medianS = medianS
        self.processorS = processorS
        utterancesPerS = Double(utterances) / medianS
        utterancesPerProcessorS = Double(utterances) / processorS
    }

    var text: String {
        """
        decoding, \(utterances) utterances of \(decimal(seconds, 1)) s, beam \(beamWidth), \
        \(decimal(labelsAFrame, 2)) labels tried a frame, \(threads) threads
          by the clock      \(decimal(utterancesPerS, 1)) utterances a second (median \(decimal(medianS, 3)) s)
          by the processor  \(decimal(utterancesPerProcessorS, 1)) utterances a second of one core \
        (\(decimal(processorS, 3)) s)
        """
    }
}

/// Text of synthetic words, each with a few usual successors, and a model's synthetic output for it.
private struct SyntheticText {
    static let symbols =
        ["<s>", "<pad>", "</s>", "<unk>", "|"] + "ETAONIHSRDLUMWCFGYPBVK'XJQZ".map { String($0) }

    private let words: [[Int]]
    private let successors: [[Int]]
    private let seed: UInt64

    init(words count: Int, seed: UInt64) {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        var seen: Set<[Int]> = []
        var words: [[Int]] = []
        while words.count < count {
            let letters = (0..<2 + stream.integer(below: 7)).map { _ in 5 + stream.integer(below: 20) }
            if seen.insert(letters).inserted { words.append(letters) }
        }
        self.words = words
        self.seed = seed
        successors = words.map { _ in (0..<12).map { _ in Self.frequent(&stream, of: count) } }
    }

    /// Draws a word's number; low numbers are more frequent.
    private static func frequent(_ stream: inout RandomStream, of count: Int) -> Int {
        min(Int(pow(Double(count), stream.uniform())) - 1, count - 1)
    }

    private func walk(words length: Int, stream: inout RandomStream) -> [[Int]] {
        var word = Self.frequent(&stream, of: words.count)
        return (0..<length).map { _ in
            defer {
                word =
                    stream.uniform() < 0.7
                    ? successors[word][stream.integer(below: 12)] : Self.frequent(&stream, of: words.count)
            }
            return words[word]
        }
    }

    /// Makes a sentence.
    func sentence(words length: Int, number: Int) -> [String] {
        var stream = RandomStream(seed: seed, purpose: .synthesis, step: 1, index: number)
        return walk(words: length, stream: &stream).map { word in word.map { Self.symbols[$0] }.joined() }
    }

    /// Makes log-probabilities [frames, labels]: mostly confident blanks, and letters with alternatives.
    func logProbabilities(frames: Int, utterance: Int) -> [Float] {
        var stream = RandomStream(seed: seed, purpose: .synthesis, step: 2, index: utterance)
        let letters = walk(words: frames, stream: &stream).flatMap { $0 + [4] }
        var scores: [Float] = []
        scores.reserveCapacity(frames * Self.symbols.count)
        var next = 0
        for frame in 0..<frames {
            // Fifteen letters per second, as in read English.
            let isLetter = [1, 4, 7].contains(frame % 10)
            var logits = Self.symbols.indices.map { _ in -log(-log(max(stream.uniform(), 1e-12))) }
            logits[isLetter ? letters[next] : 0] += isLetter ? 6 : 9
            if isLetter {
                logits[5 + (letters[next] * 7) % 27] += 4
                logits[0] += 4
                next += 1
            }
            let sum = log(logits.reduce(0) { $0 + exp($1) })
            scores.append(contentsOf: logits.map { Float($0 - sum) })
        }
        return scores
    }
}
