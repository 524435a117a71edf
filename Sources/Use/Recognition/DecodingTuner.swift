import Foundation
import W2VCorpus
import W2VDecoding
import W2VInference

/// Finds the language model weight and the word bonus with the fewest word errors on a development set.
public struct DecodingTuner: Sendable {
    /// The result of one pair of weights.
    public struct Trial: Sendable, Equatable {
        /// The language model's weight.
        public var alpha: Double
        /// The bonus for each word.
        public var beta: Double
        /// The error counts.
        public var errors: RecognitionErrors
    }

    private let scores: [[Float]]
    private let references: [String]

    /// Makes a tuner from log-probabilities and references.
    ///
    /// - Parameters:
    ///   - logProbabilities: The log-probabilities of each utterance, [frames, labels]; empty for one that is too
    ///     short.
    ///   - references: The transcript of each utterance.
    public init(logProbabilities: [[Float]], references: [String]) {
        scores = logProbabilities
        self.references = references
    }

    /// Runs a model over a development set once.
    ///
    /// - Parameters:
    ///   - recognizer: The model.
    ///   - url: A manifest with labels.
    ///   - labels: `ltr` if the labels are letters.
    ///   - progress: Called now and then with the number of utterances done and the total.
    /// - Throws: `CorpusError`, `AudioError` or `InferenceError` about the data.
    public init(
        recognizer: Recognizer, manifest url: URL, labels: String = "ltr",
        progress: ((Int, Int) -> Void)? = nil
    ) async throws {
        let manifest = try Manifest.readForEvaluation(url, labels: labels)
        let total = manifest.count
        let results = try await recognizer.logProbabilities(of: Recordings(manifest)).all {
            progress?($0.recordings, total)
        }
        scores = try results.map { result in
            do { return try result.get() } catch InferenceError.tooShort { return [] }
        }
        references = manifest.references(labels: labels, alphabet: recognizer.alphabet)
    }

    /// Makes a tuner from the saved log-probabilities of a development set.
    ///
    /// - Parameter logits: The folder.
    /// - Throws: `RecognitionError.badLogits`, `SafetensorsError` about its files.
    public init(logits: SavedLogits) throws {
        scores = try logits.entries.indices.map(logits.logProbabilities)
        references = logits.entries.map(\.reference)
    }

    /// Tries every pair of weights, then, in each round, pairs halfway between the best one and its neighbors.
    ///
    /// - Parameters:
    ///   - decoder: The decoder, whose own weights are ignored.
    ///   - alphas: The language model weights to try.
    ///   - betas: The word bonuses to try.
    ///   - rounds: The number of times to search around the best pair with half the step.
    ///   - report: Called after every pair.
    /// - Returns: All trials in order, and the best one: the fewest word errors, then the fewest character errors.
    /// - Throws: `DecoderError`, and `CancellationError` when the task is canceled; an error of `report`.
    public func tune(
        _ decoder: BeamSearchDecoder, alphas: [Double], betas: [Double], rounds: Int = 0,
        report: (Trial) throws -> Void = { _ in }
    ) async throws -> (trials: [Trial], best: Trial?) {
        var trials: [Trial] = []
        func attempt(_ alpha: Double, _ beta: Double) async throws {
            guard !trials.contains(where: { $0.alpha == alpha && $0.beta == beta }) else { return }
            let trial = Trial(
                alpha: alpha, beta: beta, errors: try await errors(decoder.with(alpha: alpha, beta: beta)))
            trials.append(trial)
            try report(trial)
        }
        for alpha in alphas {
            for beta in betas { try await attempt(alpha, beta) }
        }
        var (alphaStep, betaStep) = (Self.step(alphas) / 2, Self.step(betas) / 2)
        for _ in 0..<rounds {
            guard let center = Self.best(trials) else { break }
            for alpha in [center.alpha - alphaStep, center.alpha, center.alpha + alphaStep] where alpha >= 0 {
                for beta in [center.beta - betaStep, center.beta, center.beta + betaStep] {
                    try await attempt(alpha, beta)
                }
            }
            (alphaStep, betaStep) = (alphaStep / 2, betaStep / 2)
        }
        return (trials, Self.best(trials))
    }

    /// The smallest distance between two values, which a finer search halves.
    private static func step(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return zip(sorted, sorted.dropFirst()).map { $1 - $0 }.filter { $0 > 0 }.min() ?? 0.5
    }

    private static func best(_ trials: [Trial]) -> Trial? {
        trials.min { first, second in
            let (left, right) = (first.errors, second.errors)
            return (left.words.counts.errors, left.characters.counts.errors)
                < (right.words.counts.errors, right.characters.counts.errors)
        }
    }

    private func errors(_ decoder: BeamSearchDecoder) async throws -> RecognitionErrors {
        var errors = RecognitionErrors()
        for (reference, hypotheses) in zip(references, try await decoder.decode(scores)) {
            errors.add(reference: reference, hypothesis: hypotheses.first?.text ?? "")
        }
        return errors
    }
}
