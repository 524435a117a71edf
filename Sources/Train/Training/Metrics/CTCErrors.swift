import W2VCorpus
import W2VDecoding
import W2VObjectives

/// The error rates of a fine-tuning run's validation, from reference and recognized labels.
///
/// fairseq's and NVIDIA's `uer` and `raw_wer` are counted as in their CTC criterion; their `wer` equals `raw_wer`
/// unless a language model decodes. Ours is that of the text that `transcribe` would write.
struct CTCErrors {
    /// Words and characters of the text: special symbols other than `<unk>` are omitted.
    private(set) var text = RecognitionErrors()
    /// Words in which every recognized symbol except `</s>` is spelled out, including `<pad>` and `<unk>`.
    private(set) var rawWords = ErrorRate()
    /// The dictionary's symbols: letters, and the word boundaries between and after words.
    private(set) var units = ErrorRate()
    private let dictionary: LabelDictionary

    init(_ dictionary: LabelDictionary) { self.dictionary = dictionary }

    /// Adds one utterance.
    ///
    /// - Parameters:
    ///   - reference: The labels of the transcript.
    ///   - hypothesis: The best path's labels, repeats collapsed and blanks dropped.
    mutating func add(reference: [Int], hypothesis: [Int]) {
        text.add(reference: dictionary.text(of: reference), hypothesis: dictionary.text(of: hypothesis))
        rawWords.add(EditDistance.counts(reference: rawWords(of: reference), hypothesis: rawWords(of: hypothesis)))
        units.add(EditDistance.counts(reference: reference, hypothesis: hypothesis))
    }

    /// The errors as metrics.
    var metrics: MetricSums {
        var sums = MetricSums()
        for (metric, rate) in [
            (CTCMetrics.wordErrors, text.words), (CTCMetrics.characterErrors, text.characters),
            (CTCMetrics.rawWordErrors, rawWords), (CTCMetrics.unitErrors, units),
        ] {
            sums.add(metric, Double(rate.counts.errors), weight: Double(rate.counts.referenceLength))
        }
        return sums
    }

    private func rawWords(of labels: [Int]) -> [String] {
        let end = dictionary.index(of: "</s>")
        let spelled = labels.lazy.filter { $0 != end }.map { dictionary.symbols[$0] }
        guard dictionary.index(of: LabelDictionary.wordBoundary) != nil else { return Array(spelled) }
        return LetterText.words(in: LetterText.transcript(letters: spelled))
    }
}
