/// Advice on an error: a clause without a period.
///
/// If the advice depends on the program, the clause contains a ``Phrase``: `"\(.resume) to continue"`.
public struct Advice: Sendable, Hashable, CustomStringConvertible, ExpressibleByStringInterpolation {
    /// A clause under construction.
    public struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var pieces: [Piece] = []

        /// Makes an empty clause.
        public init(literalCapacity: Int, interpolationCount: Int) {}

        /// Appends words.
        public mutating func appendLiteral(_ literal: String) { pieces.append(.text(literal)) }

        /// Appends a value.
        public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            pieces.append(.text("\(value)"))
        }

        /// Appends words that a program may replace.
        public mutating func appendInterpolation(_ phrase: Phrase) { pieces.append(.phrase(phrase)) }
    }

    fileprivate enum Piece: Sendable, Hashable {
        case text(String)
        case phrase(Phrase)
    }

    private let pieces: [Piece]

    /// Makes advice from words.
    public init(stringLiteral value: String) { pieces = [.text(value)] }

    /// Makes advice from words and phrases.
    public init(stringInterpolation: StringInterpolation) { pieces = stringInterpolation.pieces }

    /// Joins two parts of a clause.
    public static func + (first: Advice, second: Advice) -> Advice { Advice(pieces: first.pieces + second.pieces) }

    private init(pieces: [Piece]) { self.pieces = pieces }

    /// The phrases in the advice, for a program that offers to follow them.
    public var phrases: [Phrase] {
        pieces.compactMap { if case .phrase(let phrase) = $0 { phrase } else { nil } }
    }

    /// The clause, in the program's words if it has any.
    public var description: String {
        pieces.reduce(into: "") { text, piece in
            switch piece {
            case .text(let words): text += words
            case .phrase(let phrase): text += phrase.description
            }
        }
    }
}
