import W2VBase
import W2VCorpus
import W2VInterchange
import W2VTorch

/// The output layer that fine-tuning takes from a recognizer, row by row.
///
/// Symbols are compared code point by code point. The blank is row 0 on both sides, whatever its name.
struct OutputLayer {
    /// The source of a symbol's row.
    enum Row: Equatable {
        /// The recognizer's row with this index.
        case kept(Int)
        /// A random row, as in a new output layer: the recognizer does not know the symbol.
        case new
        /// The blank's row with a lower bias, for a special symbol that neither the recognizer nor the transcripts
        /// have.
        ///
        /// A random row would sometimes win, and separate two equal letters like a blank.
        case silent
    }

    /// One row for each symbol of the dictionary.
    let rows: [Row]
    /// Symbols of the recognizer that the dictionary lacks, without its special symbols.
    let dropped: [String]
    private let dictionary: LabelDictionary

    /// The distance of a silent row's logits below the blank's.
    private static let silence = 30.0

    /// Matches the symbols of two dictionaries.
    ///
    /// - Parameters:
    ///   - labels: The recognizer's symbols, the blank first.
    ///   - dictionary: The new symbols.
    ///   - used: The labels that occur in the transcripts.
    init(labels: [String], dictionary: LabelDictionary, used: Set<Int>) {
        self.dictionary = dictionary
        let known = Dictionary(
            labels.enumerated().dropFirst().map { (ExactText($1), $0) }, uniquingKeysWith: { first, _ in first })
        rows = dictionary.symbols.enumerated().map { index, symbol in
            if index == LabelDictionary.blank { return .kept(0) }
            if let row = known[ExactText(symbol)] { return .kept(row) }
            return index < LabelDictionary.specials.count && !used.contains(index) ? .silent : .new
        }
        let kept = Set(dictionary.symbols.map { ExactText($0) } + LabelDictionary.specials.map { ExactText($0) })
        dropped = labels.dropFirst().filter { !kept.contains(ExactText($0)) }
    }

    /// Whether a row of a written symbol is kept; word boundaries alone do not count.
    var keepsLetters: Bool {
        zip(dictionary.symbols, rows).dropFirst(LabelDictionary.specials.count).contains { symbol, row in
            if case .kept = row { symbol != LabelDictionary.wordBoundary } else { false }
        }
    }

    /// The symbols that get a new row.
    var new: [String] { zip(dictionary.symbols, rows).filter { $1 == .new }.map(\.0) }

    /// Summarizes the kept rows for people.
    ///
    /// - Parameter path: The recognizer.
    /// - Returns: A line without a final period.
    func summary(of path: String) -> String {
        let count = rows.count { if case .kept = $0 { true } else { false } }
        var parts = [
            count == rows.count
                ? "the output layer is that of \(path), with all \(count) symbols"
                : "the output layer is that of \(path) for \(count) of \(rows.count) symbols"
        ]
        if !new.isEmpty { parts.append("new \(Self.list(new))") }
        let silent = zip(dictionary.symbols, rows).filter { $1 == .silent }.map(\.0)
        if !silent.isEmpty { parts.append("never written \(Self.list(silent))") }
        if !dropped.isEmpty { parts.append("left out \(Self.list(dropped))") }
        return parts.joined(separator: "; ")
    }

    /// Lists symbols in a message, with their code points if they are not visible.
    ///
    /// - Parameter symbols: Any number; the first ten are listed.
    static func list(_ symbols: [String]) -> String {
        let more = symbols.count > 10 ? " and \(symbols.count - 10) more" : ""
        return symbols.prefix(10).map(\.quotedWithCodePoints).joined(separator: ", ") + more
    }

    /// Assembles the rows.
    ///
    /// - Parameters:
    ///   - own: The recognizer's weight [labels, channels] or bias [labels].
    ///   - fresh: The same of a new output layer, [symbols, channels] or [symbols].
    /// - Returns: A tensor shaped like `fresh`.
    func combine(_ own: Tensor, _ fresh: Tensor) throws -> Tensor {
        let labels = own.size(0)
        let all = try Tensor.concatenate([own.to(dtype: fresh.dtype), fresh])
        let order = rows.enumerated().map { index, row in
            switch row {
            case .kept(let row): row
            case .new: labels + index
            case .silent: LabelDictionary.blank
            }
        }
        let taken = try all.taking(Tensor(order))
        guard fresh.shape.count == 1, rows.contains(.silent) else { return taken }
        return try taken - Tensor(rows.map { Float($0 == .silent ? Self.silence : 0) })
    }
}
