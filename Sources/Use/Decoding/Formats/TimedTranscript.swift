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
    /// A caption ends where the next word would make it longer than `width` characters or `seconds`, and before a
    /// pause.
    ///
    /// - Parameters:
    ///   - width: The maximum number of characters; two lines of a television screen.
    ///   - seconds: The maximum duration.
    ///   - pause: The seconds of silence that end a caption.
    public func captions(width: Int = 84, seconds: Double = 6, pause: Double = 1) -> [TimedText] {
        var captions: [TimedText] = []
        var counts: [Double] = []
        for word in words {
            if let last = captions.last, last.text.count + wordSeparator.count + word.text.count <= width,
                word.end - last.start <= seconds,
                word.start - last.end < pause
            {
                let index = captions.count - 1
                captions[index].text += wordSeparator + word.text
                captions[index].end = word.end
                captions[index].confidence += word.confidence
                counts[index] += 1
            } else {
                captions.append(word)
                counts.append(1)
            }
        }
        for index in captions.indices { captions[index].confidence /= counts[index] }
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
