import Foundation
import Synchronization
import W2VBase
import W2VDecoding
import W2VRecognition

/// The server-sent events of a transcription, as OpenAI's API sends them.
///
/// Source: https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event, and the HTML standard,
/// section 9.2, for the form of events.
final class OpenAIEvents: Sendable {
    private struct Delta: Encodable {
        var type = "transcript.text.delta"
        var delta: String
        var logprobs: [TokenLogprob]?
    }

    private struct Done: Encodable {
        var type = "transcript.text.done"
        var text: String
        var logprobs: [TokenLogprob]?
    }

    private struct State {
        /// The text sent so far.
        var text = ""
        /// The number of letters whose log-probabilities were sent.
        var letters = 0
        var hasBegun = false
    }

    private let hasLogprobs: Bool
    private let state = Mutex(State())
    private let send: @Sendable (Data) -> Void

    /// Prepares events.
    ///
    /// - Parameters:
    ///   - hasLogprobs: Whether they have the letters' log-probabilities.
    ///   - send: Sends an event.
    init(hasLogprobs: Bool, send: @escaping @Sendable (Data) -> Void) {
        self.hasLogprobs = hasLogprobs
        self.send = send
    }

    /// Whether an event was sent.
    var hasBegun: Bool { state.withLock { $0.hasBegun } }

    /// Sends the words that are new in the beginning of a transcription.
    func add(_ part: TranscriptionPart) {
        add(part.text, hasLogprobs ? TokenLogprob.list(part.words, part.characters, part.wordSeparator) : [])
    }

    /// Sends the rest of a transcription, and ends.
    func finish(_ whole: Transcription) throws {
        let tokens = hasLogprobs ? TokenLogprob.list(whole.words, whole.characters, whole.wordSeparator) : []
        add(whole.text, tokens)
        emit(Done(text: whole.text, logprobs: hasLogprobs ? tokens : nil))
    }

    /// Sends an error, since the response has begun.
    func fail(_ error: RequestError) {
        send(Data("event: error\ndata: ".utf8) + error.line + Data("\n\n".utf8))
    }

    /// Sends the end of a text, word by word.
    private func add(_ text: String, _ tokens: [TokenLogprob]) {
        let (rest, new) = state.withLock { state -> (Substring, ArraySlice<TokenLogprob>) in
            guard text.utf8.starts(with: state.text.utf8) else { return ("", []) }
            defer { (state.text, state.letters) = (text, tokens.count) }
            return (Substring(text.utf8.dropFirst(state.text.utf8.count)), tokens.dropFirst(state.letters))
        }
        guard !rest.isEmpty else { return }
        guard !hasLogprobs else { return emit(Delta(delta: String(rest), logprobs: Array(new))) }
        // All words but the first have a space before them, so that together they are the text.
        var word = ""
        for letter in rest {
            if letter == " ", !word.isEmpty {
                emit(Delta(delta: word))
                word = ""
            }
            word.append(letter)
        }
        emit(Delta(delta: word))
    }

    private func emit(_ value: some Encodable) {
        guard let line = try? jsonLine(value) else { return }
        state.withLock { $0.hasBegun = true }
        send(Data("data: \(line)\n\n".utf8))
    }
}

/// A letter of a text with its log-probability.
struct TokenLogprob: Encodable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]

    /// Returns the letters of a text; the first one of a word has the separator before it, so that together they are
    /// the text.
    ///
    /// - Parameters:
    ///   - words: The words.
    ///   - letters: Their letters, with the same times.
    ///   - separator: The text between words.
    /// - Returns: One token per letter.
    static func list(_ words: [TimedText], _ letters: [TimedText], _ separator: String) -> [TokenLogprob] {
        var starts = words.dropFirst().map(\.start)[...]
        return letters.map { letter in
            var token = letter.text
            if let start = starts.first, letter.start >= start {
                token = separator + token
                starts.removeFirst()
            }
            // JSON cannot represent infinity.
            return TokenLogprob(
                token: token, logprob: log(max(letter.confidence, 1e-30)), bytes: Array(token.utf8))
        }
    }
}
