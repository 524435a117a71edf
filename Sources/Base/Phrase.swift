import Synchronization

/// Words for something that a program names in its own way: an option or a command.
///
/// A library speaks of "another output"; a program with a command line tells its users which option to type. Each
/// library lists its phrases in an extension of this type, and a program supplies its own words once, when it starts.
public struct Phrase: Sendable, Hashable, CustomStringConvertible {
    /// The phrase's name, which does not depend on its values.
    public let name: String
    /// A library's words, which do not depend on the program.
    public let neutral: String
    /// Values that the program's words may contain, such as a path or a number.
    public let values: [String]

    private static let vocabulary = Mutex<[String: String]>([:])

    /// Makes a phrase.
    ///
    /// - Parameters:
    ///   - neutral: The words for programs that supply no words of their own.
    ///   - values: Values that the program's words may contain.
    ///   - name: The name of the member of this type that holds the phrase.
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

    /// Sets a program's words for phrases, for the whole process.
    ///
    /// - Parameter words: The words for each phrase; each `{}` stands for the next of the phrase's values.
    public static func use(_ words: [Phrase: String]) {
        vocabulary.withLock { vocabulary in
            for (phrase, words) in words { vocabulary[phrase.name] = words }
        }
    }
}

extension Phrase {
    /// Advice to write to another place.
    public static let otherOutput = Phrase("another output", name: "otherOutput")
    /// Advice to allow replacing, with the files as its object.
    public static let replace = Phrase("allow replacing", name: "replace")
    /// Advice to continue what was interrupted.
    public static let resume = Phrase("resume the run", name: "resume")
}
