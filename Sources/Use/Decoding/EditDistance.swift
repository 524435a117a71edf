import W2VBase

/// The number of edits that turn a reference into a hypothesis, by kind.
public struct EditCounts: Sendable, Equatable, Codable {
    /// Reference elements found unchanged.
    public var matches: Int
    /// Reference elements replaced by another.
    public var substitutions: Int
    /// Reference elements missing from the hypothesis.
    public var deletions: Int
    /// Hypothesis elements without a counterpart in the reference.
    public var insertions: Int

    /// Makes counts.
    public init(matches: Int = 0, substitutions: Int = 0, deletions: Int = 0, insertions: Int = 0) {
        self.matches = matches
        self.substitutions = substitutions
        self.deletions = deletions
        self.insertions = insertions
    }

    /// Substitutions, deletions and insertions together.
    public var errors: Int { substitutions + deletions + insertions }

    /// The number of elements of the reference.
    public var referenceLength: Int { matches + substitutions + deletions }

    /// Adds two counts, kind by kind.
    public static func + (left: EditCounts, right: EditCounts) -> EditCounts {
        EditCounts(
            matches: left.matches + right.matches, substitutions: left.substitutions + right.substitutions,
            deletions: left.deletions + right.deletions, insertions: left.insertions + right.insertions)
    }
}

/// One column of an alignment.
public enum AlignedPair<Element> {
    /// The same element on both sides.
    case match(Element)
    /// Different elements in the reference and the hypothesis.
    case substitution(reference: Element, hypothesis: Element)
    /// An element of the reference that the hypothesis lacks.
    case deletion(Element)
    /// An element of the hypothesis that the reference lacks.
    case insertion(Element)

    /// The reference's element, if there is one.
    public var reference: Element? {
        switch self {
        case .match(let element), .deletion(let element), .substitution(let element, _): element
        case .insertion: nil
        }
    }

    /// The hypothesis's element, if there is one.
    public var hypothesis: Element? {
        switch self {
        case .match(let element), .insertion(let element), .substitution(_, let element): element
        case .deletion: nil
        }
    }
}

extension AlignedPair: Sendable where Element: Sendable {}
extension AlignedPair: Equatable where Element: Equatable {}

/// Levenshtein distance and alignment between a reference and a hypothesis.
///
/// Texts are compared by code points, never by canonical equivalence. Every edit costs one. Of the alignments with the
/// fewest edits, the one with the fewest substitutions (and so the most matches) is chosen: the four counts are then
/// unique, since deletions minus insertions is the difference in length.
public enum EditDistance {
    /// Counts the edits, in time O(n·m) and memory O(n + m).
    public static func counts<Element: Hashable>(reference: [Element], hypothesis: [Element]) -> EditCounts {
        counts(interned(reference, hypothesis))
    }

    /// Counts the edits between texts, compared by code points.
    public static func counts(reference: [String], hypothesis: [String]) -> EditCounts {
        counts(reference: reference.map { ExactText($0) }, hypothesis: hypothesis.map { ExactText($0) })
    }

    private static func counts(_ interned: ([Int32], [Int32])) -> EditCounts {
        let (first, second) = interned
        let cost = EditCost.row(first[...], second[...], reversed: false)[second.count]
        let errors = Int(cost >> 32)
        let substitutions = Int(cost & 0xFFFF_FFFF)
        let deletions = (errors - substitutions + first.count - second.count) / 2
        return EditCounts(
            matches: first.count - substitutions - deletions, substitutions: substitutions, deletions: deletions,
            insertions: errors - substitutions - deletions)
    }

    /// Aligns the two, in time O(n·m) and memory O(n + m) plus a table of at most four megabytes.
    ///
    /// - Returns: The columns in order; their counts by kind are those of `counts(reference:hypothesis:)`.
    public static func align<Element: Hashable>(
        reference: [Element], hypothesis: [Element]
    ) -> [AlignedPair<Element>] {
        align(reference, hypothesis, interned(reference, hypothesis))
    }

    /// Aligns texts, compared by code points.
    ///
    /// - Returns: The columns in order.
    public static func align(reference: [String], hypothesis: [String]) -> [AlignedPair<String>] {
        align(
            reference, hypothesis,
            interned(reference.map { ExactText($0) }, hypothesis.map { ExactText($0) }))
    }

    private static func align<Element>(
        _ reference: [Element], _ hypothesis: [Element], _ interned: ([Int32], [Int32])
    ) -> [AlignedPair<Element>] {
        let (first, second) = interned
        var aligner = Aligner()
        aligner.align(first[...], second[...])
        var row = 0
        var column = 0
        return aligner.steps.map { step in
            switch step {
            case .both:
                defer {
                    row += 1
                    column += 1
                }
                return first[row] == second[column]
                    ? .match(reference[row])
                    : .substitution(reference: reference[row], hypothesis: hypothesis[column])
            case .reference:
                defer { row += 1 }
                return .deletion(reference[row])
            case .hypothesis:
                defer { column += 1 }
                return .insertion(hypothesis[column])
            }
        }
    }

    /// Replaces elements by small integers, which compare much faster than strings and characters.
    private static func interned<Element: Hashable>(_ first: [Element], _ second: [Element]) -> ([Int32], [Int32]) {
        var table: [Element: Int32] = [:]
        func identifier(_ element: Element) -> Int32 {
            if let known = table[element] { return known }
            let new = Int32(truncatingIfNeeded: table.count)
            table[element] = new
            return new
        }
        return (first.map(identifier), second.map(identifier))
    }
}

/// Costs that order alignments first by edits and then by substitutions: edits in the upper half, substitutions in the
/// lower.
enum EditCost {
    static let gap: Int64 = 1 << 32
    static let substitution: Int64 = 1 << 32 | 1

    /// Returns the lowest cost of turning all of `first` into every prefix of `second` (every suffix when `reversed`).
    static func row(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>, reversed: Bool) -> [Int64] {
        let across = reversed ? second.reversed() : Array(second)
        var costs = (0...across.count).map { Int64($0) * gap }
        for step in 0..<first.count {
            let element = reversed ? first[first.endIndex - 1 - step] : first[first.startIndex + step]
            var diagonal = costs[0]
            costs[0] += gap
            for column in across.indices {
                let above = costs[column + 1]
                let both = diagonal + (across[column] == element ? 0 : substitution)
                costs[column + 1] = min(both, min(above, costs[column]) + gap)
                diagonal = above
            }
        }
        return costs
    }
}

/// Finds an alignment by halving the reference until a table of the rest is small.
///
/// Source: Hirschberg 1975, "A linear space algorithm for computing maximal common subsequences".
private struct Aligner {
    enum Step: UInt8 {
        case both, reference, hypothesis
    }

    static let largestTable = 1 << 22

    var steps: [Step] = []

    mutating func align(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>) {
        var first = first
        var second = second
        // A common beginning or end is part of an optimal alignment, and most of a good hypothesis.
        while let left = first.first, left == second.first {
            first.removeFirst()
            second.removeFirst()
            steps.append(.both)
        }
        var ending = 0
        while let left = first.last, left == second.last {
            first.removeLast()
            second.removeLast()
            ending += 1
        }
        let (cells, overflow) = first.count.multipliedReportingOverflow(by: second.count)
        if first.isEmpty || second.isEmpty {
            steps.append(contentsOf: repeatElement(.reference, count: first.count))
            steps.append(contentsOf: repeatElement(.hypothesis, count: second.count))
        } else if first.count == 1 || (!overflow && cells <= Self.largestTable) {
            alignByTable(first, second)
        } else {
            let middle = first.startIndex + first.count / 2
            let before = EditCost.row(first[..<middle], second, reversed: false)
            let after = EditCost.row(first[middle...], second, reversed: true)
            var split = 0
            for column in before.indices
            where before[column] + after[second.count - column] < before[split] + after[second.count - split] {
                split = column
            }
            let boundary = second.startIndex + split
            align(first[..<middle], second[..<boundary])
            align(first[middle...], second[boundary...])
        }
        steps.append(contentsOf: repeatElement(.both, count: ending))
    }

    private mutating func alignByTable(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>) {
        let width = second.count
        var choices = [Step](repeating: .both, count: first.count * width)
        var costs = (0...width).map { Int64($0) * EditCost.gap }
        for (row, element) in first.enumerated() {
            var diagonal = costs[0]
            costs[0] += EditCost.gap
            for (column, other) in second.enumerated() {
                let above = costs[column + 1]
                var best = diagonal + (other == element ? 0 : EditCost.substitution)
                var choice = Step.both
                if above + EditCost.gap < best {
                    best = above + EditCost.gap
                    choice = .reference
                }
                if costs[column] + EditCost.gap < best {
                    best = costs[column] + EditCost.gap
                    choice = .hypothesis
                }
                costs[column + 1] = best
                choices[row * width + column] = choice
                diagonal = above
            }
        }
        var row = first.count
        var column = width
        var backwards: [Step] = []
        while row > 0 || column > 0 {
            let step: Step = row == 0 ? .hypothesis : column == 0 ? .reference : choices[(row - 1) * width + column - 1]
            backwards.append(step)
            if step != .hypothesis { row -= 1 }
            if step != .reference { column -= 1 }
        }
        steps.append(contentsOf: backwards.reversed())
    }
}
