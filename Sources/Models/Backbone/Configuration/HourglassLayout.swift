/// The layers of an Hourglass Transformer: some at full length, some shortened, some at full length.
///
/// Source: Nawrot et al. 2021.
public struct HourglassLayout: Sendable, Equatable, CustomStringConvertible {
    /// The way in which rows are merged and expanded.
    public enum Resampling: String, Sendable, Codable, CaseIterable {
        /// Mean of the rows of a group; each row repeated.
        case naive
        /// A linear layer over the concatenated rows of a group, and one back.
        case linear
    }

    /// Layers before shortening.
    public var pre: Int
    /// Layers at the shortened length.
    public var middle: Int
    /// The number of frames that become one.
    public var factor: Int
    /// Layers after expanding.
    public var post: Int

    /// Makes the layout.
    public init(pre: Int, middle: Int, factor: Int, post: Int) throws {
        guard factor >= 1, pre + middle + post >= 1 else {
            throw ConfigurationError(
                "hourglass [\(pre),(\(middle),\(factor)),\(post)] needs a factor of at least 1 and at least one layer")
        }
        self.pre = pre
        self.middle = middle
        self.factor = factor
        self.post = post
    }

    /// Reads NVIDIA's expression `[pre,(middle,factor),post]`.
    ///
    /// - Throws: ``ConfigurationError`` with the position of the syntax error.
    public init(parsing text: String) throws {
        var scanner = ExpressionScanner(text, name: "hourglass", example: "[2,(8,4),2] or off")
        try scanner.expect("[")
        let pre = try scanner.integer()
        try scanner.expect(",")
        try scanner.expect("(")
        let middle = try scanner.integer()
        try scanner.expect(",")
        let factor = try scanner.integer()
        try scanner.expect(")")
        try scanner.expect(",")
        let post = try scanner.integer()
        try scanner.expect("]")
        try scanner.expectEnd()
        try self.init(pre: pre, middle: middle, factor: factor, post: post)
    }

    /// The expression that reads back as this layout: `[pre,(middle,factor),post]`.
    public var description: String { "[\(pre),(\(middle),\(factor)),\(post)]" }
}
