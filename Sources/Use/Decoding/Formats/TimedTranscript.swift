/// A piece of text with its place in a recording.
public struct TimedText: Sendable, Equatable, Codable {
    /// The text.
    public var text: String
    /// Its start, in seconds from the recording's beginning.
    public var start: Double
    /// Its end, in seconds.
    public var end: Double
    /// The model's confidence in it, from 0 to 1.
    public var confidence: Double

    /// Makes a piece of text.
    ///
    /// - Parameters:
    ///   - start: Its beginning in seconds.
    ///   - end: Its end in seconds.
    ///   - confidence: From 0 to 1.
    public init(text: String, start: Double, end: Double, confidence: Double) {
        self.text = text
        self.start = start
        self.end = end
        self.confidence = confidence
    }
}

/// The words of a recording with their times, the input of the time-stamped formats.
public struct TimedTranscript: Sendable, Equatable, Codable {
    /// The recording's name in the formats.
    public var name: String
    /// The recording's length in seconds.
    public var duration: Double
    /// The words in order of time.
    public var words: [TimedText]
    /// The characters in order of time; empty where they are not known.
    public var characters: [TimedText]
    /// The text between words in captions.
    public var wordSeparator = " "
    /// The size of captions; it is not encoded.
    public var captionLayout = CaptionLayout()

    private enum CodingKeys: String, CodingKey { case name, duration, words, characters, wordSeparator }

    /// Makes a transcript.
    ///
    /// - Parameters:
    ///   - name: The recording's name in the formats.
    ///   - duration: The recording's length in seconds.
    ///   - words: The words in order of time.
    ///   - characters: The characters in order of time, if they are known.
    public init(name: String, duration: Double, words: [TimedText], characters: [TimedText] = []) {
        self.name = name
        self.duration = duration
        self.words = words
        self.characters = characters
    }

    /// Groups words into captions for subtitle formats.
    ///
    /// A caption ends where the next word would not fit, and before a pause.
    ///
    /// - Parameter layout: The size of captions.
    /// - Returns: The captions in order of time.
    public func captions(_ layout: CaptionLayout = CaptionLayout()) -> [Caption] {
        var captions: [Caption] = []
        var group: [TimedText] = []
        func end() {
            guard let first = group.first, let last = group.last else { return }
            let words = group.map(\.text)
            captions.append(
                Caption(
                    text: TimedText(
                        text: words.joined(separator: wordSeparator), start: first.start, end: last.end,
                        confidence: group.reduce(0) { $0 + $1.confidence } / Double(group.count)),
                    lines: layout.lines(of: words, separator: wordSeparator)))
            group = []
        }
        for word in words {
            if let first = group.first, let last = group.last,
                word.end - first.start > layout.seconds || word.start - last.end >= layout.pause
                    || !layout.fits(group.map(\.text) + [word.text], separator: wordSeparator)
            {
                end()
            }
            group.append(word)
        }
        end()
        return captions
    }
}

/// Returns a time in seconds without floating-point noise: 0.7 for 35 × 0.02, which is 0.7000000000000001.
///
/// It rounds to a ten-millionth of a second, of which the times of samples at 16 kHz are multiples: nothing is lost,
/// and the output is the frame's exact time.
package func exactSeconds(_ seconds: Double) -> Double { (seconds * 1e7).rounded() / 1e7 }

/// Returns hours, minutes, seconds and thousandths, as in subtitle formats.
func clock(_ seconds: Double, separator: String) -> String {
    let total = Int((max(seconds, 0) * 1000).rounded())
    func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let (hours, rest) = total.quotientAndRemainder(dividingBy: 3_600_000)
    return padded(hours, 2) + ":" + padded(rest / 60_000, 2) + ":" + padded(rest / 1000 % 60, 2) + separator
        + padded(rest % 1000, 3)
}

/// Returns a number with a fixed count of decimals.
func fixed(_ number: Double, _ places: Int) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let total = Int((abs(number) * Double(scale)).rounded())
    let decimals = String(total % scale)
    let sign = number < 0 && total > 0 ? "-" : ""
    guard places > 0 else { return sign + String(total) }
    return sign + String(total / scale) + "." + String(repeating: "0", count: places - decimals.count) + decimals
}
