extension StringProtocol {
    /// Returns the Levenshtein distance to a text, to suggest the intended name.
    ///
    /// Error rates need more than the number of edits: see `W2VDecoding`.
    ///
    /// - Parameter other: The text.
    /// - Returns: The minimum number of insertions, deletions and replacements of characters.
    public func editDistance(to other: some StringProtocol) -> Int {
        let letters = Array(other)
        var row = Array(0...letters.count)
        for (index, own) in enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (place, letter) in letters.enumerated() {
                let replaced = diagonal + (own == letter ? 0 : 1)
                diagonal = row[place + 1]
                row[place + 1] = Swift.min(replaced, row[place] + 1, diagonal + 1)
            }
        }
        return row[letters.count]
    }
}

extension Sequence where Element == String {
    /// Returns the name that was probably meant by a mistyped one, ignoring case.
    ///
    /// - Parameter text: The mistyped name.
    /// - Returns: The most similar name, of several one that begins with the text, or else the first; nil if even that
    ///   differs in more than a third of its letters.
    public func nearest(to text: String) -> String? {
        let typed = text.lowercased()
        let names = map { name in
            let lowered = name.lowercased()
            return (name: name, distance: lowered.editDistance(to: typed), misses: lowered.hasPrefix(typed) ? 0 : 1)
        }
        let best = names.min { ($0.distance, $0.misses) < ($1.distance, $1.misses) }
        guard let best, best.distance * 3 <= Swift.max(best.name.count, typed.count) else { return nil }
        return best.name
    }
}
