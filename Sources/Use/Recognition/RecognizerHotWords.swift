import Foundation
import W2VBase
import W2VDecoding

extension Recognizer {
    /// Whether the decoder can prefer words: a beam search.
    public var takesHotWords: Bool { if case .beam = transcriber.decoder { true } else { false } }

    /// Returns the words of a text that the model can write, as hot words for
    /// ``transcriptions(of:detail:as:hotWords:begins:heard:)``.
    ///
    /// - Parameter text: Any text. A word counts as it is, without the punctuation around it, or in capital or small
    ///   letters, whichever the model's alphabet can spell.
    /// - Returns: Each word once, in the order of the text; none for greedy decoding.
    public func hotWords(in text: String) -> [String] {
        guard takesHotWords else { return [] }
        var (found, seen): ([String], Set<ExactText>) = ([], [])
        for word in transcriber.writing.words(in: text) {
            let bare = word.trimmingCharacters(in: .punctuationCharacters.union(.symbols))
            let forms = [word, bare, bare.uppercased(), bare.lowercased()]
            guard let form = forms.first(where: { !$0.isEmpty && alphabet.labels(of: $0) != nil }),
                seen.insert(ExactText(form)).inserted
            else { continue }
            found.append(form)
        }
        return found
    }
}
