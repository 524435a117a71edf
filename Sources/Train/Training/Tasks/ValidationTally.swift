import W2VBase

/// The counts of validation, which can be added over processes.
struct ValidationTally: Codable {
    /// The sums, including the objectives' metrics.
    var statistics = Statistics()
    /// Number of evaluated utterances.
    var utterances = 0
    /// The first utterances' texts, to look at.
    var examples: [TextExample] = []

    /// The most examples that are kept, of each process and of all.
    static let mostExamples = 8

    static func += (left: inout ValidationTally, right: ValidationTally) {
        left.statistics += right.statistics
        left.utterances += right.utterances
        left.examples = Array((left.examples + right.examples).sorted { $0.index < $1.index }.prefix(mostExamples))
    }

    /// Returns a value by its name in the log.
    ///
    /// - Parameter name: `loss`, or a metric's name.
    /// - Returns: The value; `nil` if there is none.
    func value(_ name: String) -> Double? { name == "loss" ? statistics.meanLoss : statistics.metrics.value(name) }
}

/// What was said and what was recognized in an utterance.
struct TextExample: Codable {
    /// The utterance's index in its manifest.
    var index: Int
    /// Its name, which differs between examples.
    var name: String
    var reference: String
    var hypothesis: String

    /// Both texts in Markdown, one above the other.
    var markdown: String {
        "    reference:  \(reference.printable)\n    hypothesis: \(hypothesis.printable)"
    }
}
