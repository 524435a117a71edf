/// Praat's annotations (`.TextGrid`), in the long text form: a tier of words, and one of characters where they are known.
public enum TextGrid {
    /// Writes tiers, whose gaps are empty intervals, as Praat demands.
    ///
    /// - Parameter transcript: What is said.
    /// - Returns: The file's text.
    public static func text(_ transcript: TimedTranscript) -> String {
        var tiers = [("words", transcript.words)]
        if !transcript.characters.isEmpty { tiers.append(("characters", transcript.characters)) }
        let end = max(transcript.duration, transcript.words.last?.end ?? 0)
        var lines = [
            "File type = \"ooTextFile\"", "Object class = \"TextGrid\"", "", "xmin = 0", "xmax = \(fixed(end, 6))",
            "tiers? <exists>", "size = \(tiers.count)", "item []:",
        ]
        for (number, tier) in tiers.enumerated() {
            let intervals = filled(tier.1, end: end)
            lines += [
                "    item [\(number + 1)]:", "        class = \"IntervalTier\"", "        name = \"\(tier.0)\"",
                "        xmin = 0", "        xmax = \(fixed(end, 6))", "        intervals: size = \(intervals.count)",
            ]
            for (index, interval) in intervals.enumerated() {
                lines += [
                    "        intervals [\(index + 1)]:", "            xmin = \(fixed(interval.start, 6))",
                    "            xmax = \(fixed(interval.end, 6))",
                    "            text = \"\(interval.text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\"",
                ]
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func filled(_ texts: [TimedText], end: Double) -> [TimedText] {
        var intervals: [TimedText] = []
        var time = 0.0
        for text in texts where text.end > max(text.start, time) {
            let start = max(text.start, time)
            if start > time { intervals.append(TimedText(text: "", start: time, end: start, confidence: 1)) }
            intervals.append(TimedText(text: text.text, start: start, end: text.end, confidence: text.confidence))
            time = text.end
        }
        if time < end || intervals.isEmpty {
            intervals.append(TimedText(text: "", start: time, end: end, confidence: 1))
        }
        return intervals
    }
}
