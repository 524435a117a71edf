/// The special values among the 32-bit numbers of a search, which otherwise are indices of nodes, labels or frames.
enum SearchCode {
    /// The root of a trie: the empty prefix of a word, or the empty text.
    static let root: Int32 = 0
    /// No node, label or frame: before the first frame, outside of a word, beyond the end of a list.
    static let none: Int32 = -1
    /// In place of the word boundary, if every label is a word of its own.
    static let labelsAreWords: Int32 = -2
    /// In place of the word boundary, if there is none and all labels make one word: a label that never occurs.
    static let endlessWord = Int32.max

    /// Returns the number of a word that is written differently from its letters; words of letters have their node's.
    @inline(__always) static func word(respelled index: Int32) -> Int32 { -2 - index }

    /// Returns the index of a respelled word; nil for a word of letters.
    @inline(__always) static func respelled(_ word: Int32) -> Int32? { word < none ? -2 - word : nil }
}
