import W2VBackbone

/// The name of a parameter here and in another program's files; or the common prefix of several names.
///
/// `#` stands for a layer's number, and a name that ends with a dot for everything below it.
public struct ParameterName: Sendable, Equatable {
    /// The name in our files: fairseq's, without the prefix of the backbone in a recognizer's.
    public var native: String
    /// The name in their files, without the family's prefix.
    public var foreign: String
    /// The task whose head it is part of; nil for the backbone's, and for a name in a task's own list.
    public var head: ModelTask?
    /// Whether a file without it lacks the head, and so contains only the backbone.
    public var marksHead: Bool
    /// The normalization of the extractors that have the parameter; nil for all.
    public var extractorMode: ModelConfiguration.ExtractorMode?

    /// Makes a pair of names.
    ///
    /// - Parameters:
    ///   - head: The task whose head it is part of; nil for the backbone's.
    ///   - marksHead: Whether a file without it lacks the head.
    ///   - extractorMode: The normalization of the extractors that have the parameter; nil for all.
    public init(
        _ native: String, _ foreign: String, head: ModelTask? = nil, marksHead: Bool = false,
        extractorMode: ModelConfiguration.ExtractorMode? = nil
    ) {
        self.native = native
        self.foreign = foreign
        self.head = head
        self.marksHead = marksHead
        self.extractorMode = extractorMode
    }

    /// Returns our name of one of theirs; nil for one that does not match the pair.
    func native(of name: String) -> String? { Self.rename(name, from: foreign, to: native) }

    /// Returns their name of one of ours; nil for one that does not match the pair.
    func foreign(of name: String) -> String? { Self.rename(name, from: native, to: foreign) }

    private static func rename(_ name: String, from pattern: String, to other: String) -> String? {
        var rest = Substring(name)
        var number = Substring()
        var expected = Substring(pattern)
        if let mark = pattern.firstIndex(of: "#") {
            guard name.hasPrefix(pattern[..<mark]) else { return nil }
            rest = rest.dropFirst(pattern[..<mark].count)
            number = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(number.count)
            guard !number.isEmpty else { return nil }
            expected = pattern[pattern.index(after: mark)...]
        }
        guard expected.hasSuffix(".") ? rest.hasPrefix(expected) : rest == expected else { return nil }
        return other.replacing("#", with: number) + rest.dropFirst(expected.count)
    }
}
