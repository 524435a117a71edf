/// A word of a decoded utterance with its frames.
public struct WordSpan: Sendable, Equatable {
    /// The word's letters.
    public var word: String

    /// The frames from the first letter's first to the last letter's last.
    public var frames: Range<Int>

    /// Makes a span.
    public init(word: String, frames: Range<Int>) {
        self.word = word
        self.frames = frames
    }
}

/// Conversions between words and letters with a word boundary, as in fairseq's `.wrd` and `.ltr` files.
public enum LetterText {
    /// The symbol that ends a word in a letter transcript.
    public static let wordBoundary = "|"

    /// Returns whether a byte separates words: ASCII white space as in KenLM (space, tab, line feed and carriage
    /// return).
    ///
    /// A no-break space and other Unicode white space are letters, in language models as in transcripts.
    @inline(__always) static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    /// Splits a transcript into words at ASCII white space, as KenLM and sclite do.
    ///
    /// - Parameter transcript: Words with any number of spaces, tabs and line ends between and around them.
    /// - Returns: The words; there is no empty one.
    public static func words(in transcript: String) -> [String] {
        transcript.utf8.split(whereSeparator: isSpace).map { String(Substring($0)) }
    }

    /// Joins letters to a transcript.
    ///
    /// - Parameter letters: Dictionary symbols; a boundary ends a word, and several boundaries count as one.
    /// - Returns: The words with single spaces between them.
    public static func transcript(letters: some Sequence<String>) -> String {
        var words: [String] = []
        var word = ""
        for letter in letters {
            if letter == wordBoundary {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word += letter
            }
        }
        if !word.isEmpty { words.append(word) }
        return words.joined(separator: " ")
    }

    /// Splits a transcript into letters, each word followed by a boundary.
    ///
    /// - Parameter transcript: Words with whitespace between them.
    /// - Returns: One symbol per code point, as in fairseq's `.ltr` line; empty for a transcript without words.
    public static func letters(transcript: String) -> [String] {
        words(in: transcript).flatMap { word in word.unicodeScalars.map { String($0) } + [wordBoundary] }
    }

    /// Groups decoded letters into words.
    ///
    /// - Parameter symbol: The dictionary's symbol for a label index.
    /// - Returns: The words in order of time with their frames.
    public static func words(_ spans: [LabelSpan], symbol: (Int) -> String) -> [WordSpan] {
        var words: [WordSpan] = []
        var open = false
        for span in spans {
            let letter = symbol(span.label)
            if letter == wordBoundary {
                open = false
            } else if open, let last = words.indices.last {
                words[last].word += letter
                words[last].frames = words[last].frames.lowerBound..<span.frames.upperBound
            } else {
                words.append(WordSpan(word: letter, frames: span.frames))
                open = true
            }
        }
        return words
    }
}
