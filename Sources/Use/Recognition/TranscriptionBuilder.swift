import Foundation
import W2VBase
import W2VDecoding

/// Groups labels into words as they arrive; keeps no more of a recording than its transcription needs.
struct TranscriptionBuilder: Sendable {
    private let writing: LabelWriting
    private let frameSeconds: Double
    private let detail: TranscriptionDetail
    /// The letters of the unfinished word.
    private var letters: [AlignedLabel] = []
    /// The words as they are written, in order; nil where they are their labels' symbols.
    var writtenWords: [String]?
    private var wordCount = 0
    private var text = ""
    private var words: [TimedText] = []
    private var characters: [TimedText] = []
    private var (labelCount, scoreSum) = (0, 0.0)

    init(_ writing: LabelWriting, frameSeconds: Double, detail: TranscriptionDetail) {
        self.writing = writing
        self.frameSeconds = frameSeconds
        self.detail = detail
    }

    /// The words so far, without an unfinished one.
    var part: TranscriptionPart {
        TranscriptionPart(
            text: writing.settled(text), words: words, characters: characters, wordSeparator: writing.wordSeparator)
    }

    mutating func append(_ label: AlignedLabel) {
        labelCount += 1
        scoreSum += label.score
        let partsWords = writing.parting.contains(label.label)
        if !partsWords { letters.append(label) }
        if partsWords || !writing.isSpelled { endWord() }
    }

    /// Returns the transcription.
    ///
    /// - Parameter duration: The recording's length in seconds.
    /// - Returns: The text with the requested detail.
    mutating func finished(duration: Double) -> Transcription {
        endWord()
        for index in words.indices.reversed() where words[index].end > duration { words[index].end = duration }
        for index in characters.indices.reversed() where characters[index].end > duration {
            characters[index].end = duration
        }
        var result = Transcription(
            text: writing.finished(text), words: words, characters: characters,
            confidence: labelCount == 0 ? 1 : exp(scoreSum / Double(labelCount)), duration: duration)
        result.wordSeparator = writing.wordSeparator
        return result
    }

    private mutating func endWord() {
        guard !letters.isEmpty else { return }
        defer { letters.removeAll(keepingCapacity: true) }
        let written = writtenWords.flatMap { wordCount < $0.count ? $0[wordCount] : nil }
        wordCount += 1
        let word = writing.formed(written ?? letters.map { writing.texts[$0.label] }.joined())
        guard !word.isEmpty else { return }
        if !text.isEmpty { text += writing.wordSeparator }
        text += word
        if detail >= .words { words.append(timed(letters[...], as: word)) }
        if detail >= .characters {
            for index in letters.indices {
                let character = writing.texts[letters[index].label]
                guard !writing.isLeftOut(character, of: word) else { continue }
                characters.append(timed(letters[index...index], as: character))
            }
        }
    }

    private func timed(_ letters: ArraySlice<AlignedLabel>, as text: String) -> TimedText {
        let score = letters.reduce(0) { $0 + $1.score } / Double(letters.count)
        return TimedText(
            text: writing.cased(text),
            start: exactSeconds(Double(letters.first?.frames.lowerBound ?? 0) * frameSeconds),
            end: exactSeconds(Double(letters.last?.frames.upperBound ?? 0) * frameSeconds), confidence: exp(score))
    }
}

/// Decodes greedily as log-probabilities arrive.
struct GreedyTranscription: Sendable {
    private var stream: GreedyStream
    private var builder: TranscriptionBuilder

    init(_ decoder: GreedyDecoder, labels: Int, _ builder: TranscriptionBuilder) {
        stream = GreedyStream(decoder, labels: labels)
        self.builder = builder
    }

    /// The words so far, without an unfinished one.
    var part: TranscriptionPart { builder.part }

    /// Adds the log-probabilities [frames, labels] of the next frames.
    mutating func append(_ scores: [Float]) throws(DecoderError) {
        for label in try stream.append(scores) { builder.append(label) }
    }

    /// Returns the transcription.
    ///
    /// - Parameter duration: The recording's length in seconds.
    /// - Returns: The text with the requested detail.
    mutating func finished(duration: Double) -> Transcription {
        if let last = stream.finish() { builder.append(last) }
        return builder.finished(duration: duration)
    }
}
