/// Praat's annotations (`.TextGrid`), in the long text form: a tier of words, and one of characters if they are known.
public enum TextGrid: TimedTextFormat {
    /// Writes tiers, with empty intervals in the gaps, as Praat requires.
    public static func write(_ transcript: TimedTranscript, to body: (String) throws -> Void) rethrows {
        var tiers = [("words", transcript.words)]
        // If nothing is said, there are no characters either, which is known too.
        if transcript.words.isEmpty || !transcript.characters.isEmpty {
            tiers.append(("characters", transcript.characters))
        }
        let end = max(transcript.duration, transcript.words.last?.end ?? 0)
        try body(
            """
            File type = "ooTextFile"
            Object class = "TextGrid"

            xmin = 0
            xmax = \(fixed(end, 6))
            tiers? <exists>
            size = \(tiers.count)
            item []:

            """)
        for (number, tier) in tiers.enumerated() {
            var count = 0
            forEachInterval(of: tier.1, end: end) { _, _, _ in count += 1 }
            try body(
                """
                    item [\(number + 1)]:
                        class = "IntervalTier"
                        name = "\(tier.0)"
                        xmin = 0
                        xmax = \(fixed(end, 6))
                        intervals: size = \(count)

                """)
            var index = 0
            try forEachInterval(of: tier.1, end: end) { text, start, end in
                index += 1
                let quoted = text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
                try body(
                    """
                            intervals [\(index)]:
                                xmin = \(fixed(start, 6))
                                xmax = \(fixed(end, 6))
                                text = "\(quoted)"

                    """)
            }
        }
    }

    /// Calls `body` with the text, start and end of each interval, including gaps.
    private static func forEachInterval(
        of texts: [TimedText], end: Double, _ body: (String, Double, Double) throws -> Void
    ) rethrows {
        var time = 0.0
        var isEmpty = true
        for text in texts where text.end > max(text.start, time) {
            let start = max(text.start, time)
            if start > time { try body("", time, start) }
            try body(text.text, start, text.end)
            time = text.end
            isEmpty = false
        }
        if time < end || isEmpty { try body("", time, end) }
    }
}
