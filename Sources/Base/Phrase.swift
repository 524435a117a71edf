import Synchronization

/// Words for something that a program names in its own way: an option to give, a command to run.
///
/// A library speaks of "another output"; a program with a command line has its users type an option. Each library lists
/// its phrases in an extension of this type, and a program gives its own words for them once, as it starts.
public struct Phrase: Sendable, Hashable, CustomStringConvertible {
    /// The phrase's name, which is the same whatever its value.
    public let name: String
    /// The words of a library, in which nothing depends on the program.
    public let neutral: String
    /// What a program's words may take up, such as a path or a number.
    public let values: [String]

    private static let vocabulary = Mutex<[String: String]>([:])

    /// Makes a phrase.
    ///
    /// - Parameters:
    ///   - neutral: The words where the program has none of its own.
    ///   - values: What the program's words may take up.
    ///   - name: The name, that of the member of this type that holds the phrase.
    public init(_ neutral: String, values: [String] = [], name: String) {
        self.name = name
        self.neutral = neutral
        self.values = values
    }

    /// The program's words, or the neutral ones.
    public var description: String {
        guard let words = Self.vocabulary.withLock({ $0[name] }) else { return neutral }
        var values = values.makeIterator()
        let pieces = words.split(separator: "{}", omittingEmptySubsequences: false)
        return pieces.dropFirst().reduce(into: String(pieces.first ?? "")) { $0 += (values.next() ?? "") + $1 }
    }

    /// Gives a program's words for phrases, for the whole process.
    ///
    /// - Parameter words: The words for each phrase; each `{}` stands for the next of the phrase's values.
    public static func use(_ words: [Phrase: String]) {
        vocabulary.withLock { vocabulary in
            for (phrase, words) in words { vocabulary[phrase.name] = words }
        }
    }
}

extension Phrase {
    /// Where else to write.
    public static let otherOutput = Phrase("another output", name: "otherOutput")
    /// How to have files replaced, with the files as its object.
    public static let replace = Phrase("allow replacing", name: "replace")
    /// How to continue what was interrupted.
    public static let resume = Phrase("resume the run", name: "resume")
}
