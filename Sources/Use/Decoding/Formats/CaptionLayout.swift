/// The size of captions on a screen.
public struct CaptionLayout: Sendable, Equatable {
    /// The maximum number of characters in a line; a longer word has a line of its own.
    public var lineLength: Int
    /// The maximum number of lines.
    public var lines: Int
    /// The maximum number of words; nil for no limit.
    public var words: Int?
    /// The maximum duration in seconds.
    public var seconds: Double
    /// The seconds of silence that end a caption.
    public var pause: Double

    /// Makes a layout; by default, two lines of 42 characters, as on television.
    ///
    /// - Parameters:
    ///   - lineLength: The maximum number of characters in a line.
    ///   - lines: The maximum number of lines.
    ///   - words: The maximum number of words; nil for no limit.
    ///   - seconds: The maximum duration in seconds.
    ///   - pause: The seconds of silence that end a caption.
    public init(lineLength: Int = 42, lines: Int = 2, words: Int? = nil, seconds: Double = 6, pause: Double = 1) {
        self.lineLength = lineLength
        self.lines = lines
        self.words = words
        self.seconds = seconds
        self.pause = pause
    }

    /// Returns whether words fit into a caption's lines.
    func fits(_ words: [String], separator: String) -> Bool {
        words.count <= self.words ?? .max
            && Self.wrapped(words, separator: separator, lineLength: lineLength).count <= lines
    }

    /// Returns a caption's lines, as equally long as its words allow.
    ///
    /// - Parameters:
    ///   - words: The words of the caption.
    ///   - separator: The text between words.
    func lines(of words: [String], separator: String) -> [String] {
        let lines = Self.wrapped(words, separator: separator, lineLength: lineLength)
        guard lines.count > 1 else { return lines }
        // The shortest lines that are not more of them.
        var (shortest, longest) = (words.reduce(1) { max($0, $1.count) }, max(1, lineLength))
        while shortest < longest {
            let middle = (shortest + longest) / 2
            if Self.wrapped(words, separator: separator, lineLength: middle).count > lines.count {
                shortest = middle + 1
            } else {
                longest = middle
            }
        }
        return Self.wrapped(words, separator: separator, lineLength: shortest)
    }

    private static func wrapped(_ words: [String], separator: String, lineLength: Int) -> [String] {
        var lines: [String] = []
        for word in words {
            if let last = lines.last, last.count + separator.count + word.count <= lineLength {
                lines[lines.count - 1] += separator + word
            } else {
                lines.append(word)
            }
        }
        return lines
    }
}

/// Words that are shown together.
public struct Caption: Sendable, Equatable {
    /// The words on one line, with their times.
    public var text: TimedText
    /// The lines on the screen.
    public var lines: [String]
}
