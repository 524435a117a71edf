import Foundation

/// A word with its times.
public struct TimedWord: Sendable, Equatable {
    /// The word.
    public var word: String
    /// Its start in seconds from the beginning of the recording.
    public var start: Double
    /// Its end in seconds.
    public var end: Double

    /// Makes a word.
    public init(word: String, start: Double, end: Double) {
        self.word = word
        self.start = start
        self.end = end
    }
}

/// A recording's waveform with the recognized words over it.
public struct WaveformPicture: Sendable {
    /// The heading.
    public var title: String
    /// A line under the heading, such as the reference transcript.
    public var subtitle: String
    /// The samples; values that are not finite are drawn as silence and counted.
    public var samples: [Float]
    /// Samples per second.
    public var sampleRate: Double
    /// The words in order of time.
    public var words: [TimedWord]

    private static let width = 1080.0
    private static let waveHeight = 130.0
    private static let rowHeight = 18.0

    /// Makes a picture.
    public init(title: String, subtitle: String = "", samples: [Float], sampleRate: Double, words: [TimedWord]) {
        self.title = title
        self.subtitle = subtitle
        self.samples = samples
        self.sampleRate = sampleRate
        self.words = words
    }

    /// Returns the picture as an HTML figure.
    ///
    /// - Returns: The markup; a recording without samples says so.
    public func html() -> String {
        let broken = samples.count { !$0.isFinite }
        let note =
            broken == 0
            ? ""
            : "<p class=\"note\">\(broken) samples are not finite numbers and are drawn as silence.</p>"
        let (height, picture) = picture()
        return """
            <figure class="chart wide">
            <figcaption>\(Markup.escaped(title))<small>\(Markup.escaped(subtitle))</small></figcaption>
            <svg viewBox="0 0 1080 \(Markup.coordinate(height))" role="img" aria-label="\(Markup.escaped(title))">
            \(picture)
            </svg>
            \(note)
            </figure>
            """
    }

    private func picture() -> (height: Double, markup: String) {
        guard !samples.isEmpty, sampleRate.isFinite, sampleRate > 0 else {
            return (60, "<text class=\"label\" x=\"540\" y=\"34\" text-anchor=\"middle\">no samples</text>")
        }
        let duration = Double(samples.count) / sampleRate
        func x(_ seconds: Double) -> Double { min(max(seconds / duration, 0), 1) * Self.width }
        let usable = words.filter { $0.start.isFinite && $0.end.isFinite }
        let rows = Self.rows(usable.map { ($0.word, x(($0.start + $0.end) / 2)) })
        let top = Double((rows.map(\.row).max() ?? -1) + 1) * Self.rowHeight + 6
        var parts: [String] = []
        for (word, label) in zip(usable, rows) {
            let start = x(word.start)
            let length = max(1.5, x(word.end) - start)
            let below = Double(label.row + 1) * Self.rowHeight - 2
            parts.append(
                "<rect class=\"span\" x=\"\(Markup.coordinate(start))\" y=\"\(Markup.coordinate(top))\" "
                    + "width=\"\(Markup.coordinate(length))\" height=\"\(Int(Self.waveHeight))\" rx=\"2\">"
                    + "<title>\(Markup.escaped(word.word)): \(Self.seconds(word.start)) to \(Self.seconds(word.end)) s"
                    + "</title></rect>")
            parts.append(
                "<path class=\"lead\" d=\"M\(Markup.coordinate(label.anchor)) \(Markup.coordinate(below))"
                    + "V\(Markup.coordinate(top))\"/>")
            parts.append(
                "<text class=\"word\" x=\"\(Markup.coordinate(label.center))\" y=\"\(Markup.coordinate(below - 3))\" "
                    + "text-anchor=\"middle\">\(Markup.escaped(word.word))</text>")
        }
        parts.append("<path class=\"wave\" d=\"\(envelope(top: top))\"/>")
        let bottom = top + Self.waveHeight
        parts.append("<path class=\"axis\" d=\"M0 \(Markup.coordinate(bottom))H1080\"/>")
        let axis = Axis(values: [0, duration], count: 8, logarithmic: false, extended: false)
        for tick in axis.ticks {
            let anchor = tick == 0 ? "start" : x(tick) > Self.width - 20 ? "end" : "middle"
            parts.append(
                "<text class=\"tick\" x=\"\(Markup.coordinate(x(tick)))\" y=\"\(Markup.coordinate(bottom + 16))\" "
                    + "text-anchor=\"\(anchor)\">\(axis.label(tick, format: .number)) s</text>")
        }
        return (bottom + 24, parts.joined(separator: "\n"))
    }

    /// Returns the lowest and highest sample of each column of the picture, as one closed outline.
    private func envelope(top: Double) -> String {
        let columns = min(Int(Self.width), samples.count)
        let finite = samples.lazy.map { $0.isFinite ? $0 : 0 }
        let loudest = Double(max(finite.max() ?? 0, -(finite.min() ?? 0)))
        let scale = loudest > 0 ? (Self.waveHeight / 2 - 4) / loudest : 0
        let middle = top + Self.waveHeight / 2
        var upper: [String] = []
        var lower: [String] = []
        for column in 0..<columns {
            let range = (samples.count * column / columns)..<(samples.count * (column + 1) / columns)
            var low = Float.infinity
            var high = -Float.infinity
            for sample in samples[range] {
                let value = sample.isFinite ? sample : 0
                low = min(low, value)
                high = max(high, value)
            }
            let x = Markup.coordinate((Double(column) + 0.5) * Self.width / Double(columns))
            // Half a pixel each way keeps silence visible as a thin line.
            upper.append("\(x) \(Markup.coordinate(middle - Double(high) * scale - 0.5))")
            lower.append("\(x) \(Markup.coordinate(middle - Double(low) * scale + 0.5))")
        }
        return "M" + (upper + lower.reversed()).joined(separator: "L") + "Z"
    }

    /// Puts every label into the first row where it does not touch its neighbor to the left.
    private static func rows(_ labels: [(text: String, anchor: Double)]) -> [(row: Int, center: Double, anchor: Double)]
    {
        var ends: [Double] = []
        return labels.map { text, anchor in
            let half = Double(text.count) * 4.1 + 5
            let center = min(max(anchor, half), max(half, width - half))
            let free = ends.firstIndex { $0 <= center - half }
            let row = free ?? ends.count
            if row == ends.count { ends.append(0) }
            ends[row] = center + half
            return (row, center, anchor)
        }
    }

    private static func seconds(_ value: Double) -> String { String(format: "%.2f", value) }
}
