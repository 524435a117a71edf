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
        public mutating func appendLiteral(_ literal: String) { append(literal) }

        /// Appends a value.
        public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            append("\(value)")
        }

        /// Appends words that a program may replace.
        public mutating func appendInterpolation(_ phrase: Phrase) { pieces.append(.phrase(phrase)) }

        /// Appends to the text before, so that equal clauses have equal pieces.
        private mutating func append(_ words: String) {
            if case .text(let before)? = pieces.last {
                pieces[pieces.count - 1] = .text(before + words)
            } else if !words.isEmpty {
                pieces.append(.text(words))
            }
        }
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
    public static func + (first: Advice, second: Advice) -> Advice {
        guard case .text(let end)? = first.pieces.last, case .text(let beginning)? = second.pieces.first else {
            return Advice(pieces: first.pieces + second.pieces)
        }
        return Advice(pieces: first.pieces.dropLast() + [.text(end + beginning)] + second.pieces.dropFirst())
    }

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
