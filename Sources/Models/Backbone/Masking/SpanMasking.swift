import Foundation
import W2VBase

/// The choice of masked spans along one dimension: fairseq's `compute_mask_indices`.
public struct SpanMasking: Sendable, Equatable {
    /// The distribution of span lengths.
    public enum Selection: String, Sendable, Codable, CaseIterable {
        /// Always `length`.
        case `static`
        /// Uniform between `other` and 2 · `length` + 1.
        case uniform
        /// Normal with mean `length` and deviation `other`, at least 1.
        case normal
        /// Poisson with mean `length`.
        case poisson
    }

    /// What decides the number of masked elements.
    public enum Count: String, Sendable, Codable, CaseIterable {
        /// The spans: their number follows from the length of the row, and they overlap by chance.
        case spans
        /// The length of the row alone: spans are drawn until that number is masked.
        case fixed
    }

    /// The share of elements that spans would cover if they never overlapped.
    public var probability: Double
    /// The length of a span, or the mean length.
    public var length: Int
    /// What decides the number of masked elements.
    public var count = Count.spans
    /// The distribution of lengths.
    public var selection = Selection.static
    /// The other parameter of the length's distribution.
    public var other = 0.0
    /// Whether spans may not overlap.
    public var noOverlap = false
    /// The minimum number of elements between spans that do not overlap.
    public var minSpace = 1
    /// The minimum number of spans in a row.
    public var minMasks = 0
    /// Whether all rows of a batch mask the same number of elements: that of the row with the fewest.
    public var requireSameMasks = true
    /// The share of masked elements that are unmasked again.
    public var maskDropout = 0.0
    /// The number that a row's count of masked elements is rounded down to a multiple of, if it is at least as large.
    ///
    /// The surplus elements are unmasked again.
    public var countMultiple = 1

    /// Makes static spans.
    public init(probability: Double, length: Int) {
        self.probability = probability
        self.length = length
    }

    /// Draws masks for the rows of a sub-batch.
    ///
    /// Rows of equal length (an unpadded batch in fairseq's and NVIDIA's programs) have the same number of spans: the
    /// mean number is randomly rounded once for all of them. (fairseq's newest version rounds for each row.)
    ///
    /// Spans that cover a whole row are redrawn. If they still do, the row gets a single span that leaves one element.
    /// A row of fewer than two elements is not masked, and is ignored by the rule of equal counts.
    ///
    /// With a fixed ``count``, every row masks ``fixedCount(_:)`` elements, whatever the other rows do. Spans are drawn
    /// one after the other until that many are masked; the last one is cut where the number is reached.
    ///
    /// - Parameters:
    ///   - lengths: The elements of each row.
    ///   - streams: A stream of random numbers for each row, and one more for what the rows share.
    /// - Returns: The sorted masked positions of each row.
    public func draw(lengths: [Int], streams: [RandomStream]) -> [[Int]] {
        precondition(streams.count == lengths.count + 1, "one stream a row, and one for the batch")
        var last = streams[lengths.count]
        let shared = lengths.allSatisfy { $0 == lengths.first } ? last.uniform() : nil
        var rows = lengths.enumerated().map { row, size in
            var stream = streams[row]
            let rounding = shared ?? stream.uniform()
            guard count == .spans else { return fixedPositions(size: size, &stream) }
            return positions(size: size, rounding: rounding, &stream)
        }
        if count == .spans, requireSameMasks, let least = rows.lazy.map(\.count).filter({ $0 > 0 }).min() {
            rows = rows.map { $0.count > least ? choose(least, from: $0, &last) : $0 }
        }
        if maskDropout > 0 {
            rows = rows.map { row in
                let kept = row.count - Int((Double(row.count) * maskDropout).rounded())
                return choose(min(row.count, max(1, kept)), from: row, &last)
            }
        }
        if countMultiple > 1 {
            rows = rows.map { row in
                row.count < countMultiple ? row : choose(row.count - row.count % countMultiple, from: row, &last)
            }
        }
        return rows
    }

    /// Returns whether a row is too short for its spans, so that ``draw(lengths:streams:)`` may have to mask less of
    /// it.
    ///
    /// This is so if one span has at least as many elements as the row, or there are at least as many spans.
    public func overfills(_ size: Int) -> Bool { leastLength >= size || leastSpans(size) >= size }

    /// Returns the minimum number of spans of a row.
    func leastSpans(_ size: Int) -> Int {
        max(minMasks, Int(probability * Double(size) / Double(max(1, length))))
    }

    /// The minimum length of a span, or the mean where there is no minimum.
    var leastLength: Int { selection == .uniform ? Int(other) : length }

    /// Returns the number of masked elements of a row with a fixed ``count``, before some are unmasked again.
    ///
    /// It is the mean number that spans of the mean length mask, rounded: for 0.65 and 10, 49 % of a row, as in the paper.
    /// (Spans that are drawn with ``requireSameMasks`` mask 46 % in a batch of 5 rows of 768 elements, because rows with
    /// more give some back.) It is rounded down to ``countMultiple``, and at least one element stays unmasked.
    public func fixedCount(_ size: Int) -> Int {
        guard probability > 0, size > 1 else { return 0 }
        let spans = max(Double(minMasks), probability * Double(size) / Double(max(1, length)))
        let (few, share) = (Int(spans), spans - spans.rounded(.down))
        let mean = (1 - share) * meanCount(size, spans: few) + share * meanCount(size, spans: few + 1)
        let wanted = min(max(1, Int(mean.rounded())), size - 1)
        return wanted < countMultiple ? wanted : wanted - wanted % countMultiple
    }

    /// Returns the mean number of elements that spans with distinct random starts cover.
    private func meanCount(_ size: Int, spans: Int) -> Double {
        let places = places(size, spans: spans)
        let count = min(spans, places)
        // An element that `covering` starts cover stays free if the spans' starts are all among the others.
        func free(_ covering: Int) -> Double {
            (0..<count).reduce(1) { $0 * Double(max(0, places - covering - $1)) / Double(places - $1) }
        }
        let shares = (0...min(max(1, length), places)).map(free)
        return (0..<size).reduce(0) { mean, element in
            let covering = min(element, places - 1) - max(0, element - max(1, length) + 1) + 1
            return mean + 1 - shares[max(0, covering)]
        }
    }

    /// Returns the number of starts of static spans that leave room for one, or for one start per span.
    private func places(_ size: Int, spans: Int) -> Int {
        let shortest = size - length <= spans ? size - spans - 1 : length
        return max(1, size - shortest)
    }

    /// Returns ``fixedCount(_:)`` masked positions of one row, sorted.
    private func fixedPositions(size: Int, _ stream: inout RandomStream) -> [Int] {
        let wanted = fixedCount(size)
        guard wanted > 0 else { return [] }
        // As in fairseq, the last element is never masked, and starts are distinct. Together they always suffice.
        var starts = Array(0..<(selection == .static ? max(1, size - length) : size - 1))
        var masked = [Bool](repeating: false, count: size)
        var found = 0
        for drawn in starts.indices where found < wanted {
            starts.swapAt(drawn, drawn + stream.integer(below: starts.count - drawn))
            let end = min(size - 1, starts[drawn] + max(1, spanLength(&stream)))
            for position in starts[drawn]..<end where !masked[position] && found < wanted {
                masked[position] = true
                found += 1
            }
        }
        return masked.indices.filter { masked[$0] }
    }

    /// The number of redraws of spans that cover a whole row.
    private static let attempts = 16

    /// Returns the masked positions of one row, sorted.
    private func positions(size: Int, rounding: Double, _ stream: inout RandomStream) -> [Int] {
        guard probability > 0, size > 1 else { return [] }
        // fairseq: p · size / length spans on average, randomly rounded by `rounding` in [0, 1).
        let drawn = max(minMasks, Int(probability * Double(size) / Double(max(1, length)) + rounding))
        let wanted = min(drawn, size - 1)
        for _ in 0..<Self.attempts {
            var lengths = (0..<wanted).map { _ in spanLength(&stream) }
            if lengths.reduce(0, +) == 0 { lengths = [min(length, size - 1)] }
            let chosen =
                noOverlap
                ? separateSpans(lengths, size: size, &stream) : overlappingSpans(lengths, size: size, &stream)
            if !chosen.isEmpty, chosen.count < size { return chosen }
        }
        let span = min(max(1, length), size - 1)
        let start = stream.integer(below: size - span + 1)
        return Array(start..<start + span)
    }

    private func spanLength(_ stream: inout RandomStream) -> Int {
        switch selection {
        case .static: return length
        case .uniform:
            let low = Int(other)
            return low + stream.integer(below: max(1, 2 * length + 1 - low))
        case .normal:
            let drawn = (Double(length) + other * stream.normal()).rounded()
            // More than any row has; larger numbers would not fit an Int.
            return max(1, Int(min(drawn, 1e9)))
        case .poisson: return poisson(mean: Double(length), &stream)
        }
    }

    /// Draws a Poisson number by Knuth's method: counts uniform factors until their product falls below e^−mean.
    private func poisson(mean: Double, _ stream: inout RandomStream) -> Int {
        // e^−mean vanishes for large means, but Poisson(a) + Poisson(b) is Poisson(a + b).
        guard mean <= 500 else { return poisson(mean: 500, &stream) + poisson(mean: mean - 500, &stream) }
        let threshold = exp(-mean)
        var product = stream.uniform()
        var count = 0
        while product > threshold {
            count += 1
            product *= stream.uniform()
        }
        return count
    }

    /// Returns the positions of spans with distinct starts that may overlap.
    ///
    /// The last element is never masked, as in fairseq.
    private func overlappingSpans(_ lengths: [Int], size: Int, _ stream: inout RandomStream) -> [Int] {
        // As in fairseq: starts are distinct and leave room for the shortest span, or for one start per span.
        var shortest = lengths.min() ?? 1
        if size - shortest <= lengths.count { shortest = size - lengths.count - 1 }
        let places = max(1, size - shortest)
        let starts = choose(min(lengths.count, places), from: Array(0..<places), &stream)
        // Starts are sorted, lengths in the order drawn: they are independent, so any pairing has the same
        // distribution.
        var masked = [Bool](repeating: false, count: size)
        for (start, length) in zip(starts, lengths) {
            for position in start..<min(size, start + length) { masked[position] = true }
        }
        return masked.indices.filter { masked[$0] }
    }

    /// Returns the positions of spans with at least `minSpace` elements between them, the longest placed first.
    private func separateSpans(_ lengths: [Int], size: Int, _ stream: inout RandomStream) -> [Int] {
        var free = [0..<size]
        var masked: [Int] = []
        let shortest = lengths.min() ?? 1
        for length in lengths.sorted(by: >) {
            let room = free.map { $0.count >= length + minSpace ? $0.count : 0 }
            let total = room.reduce(0, +)
            guard total > 0 else { break }
            var pick = stream.integer(below: total)
            var index = 0
            while pick >= room[index] {
                pick -= room[index]
                index += 1
            }
            let part = free.remove(at: index)
            let start = part.lowerBound + stream.integer(below: max(1, part.count - length))
            masked.append(contentsOf: start..<start + length)
            if start - part.lowerBound - minSpace >= shortest {
                free.append(part.lowerBound..<start - minSpace + 1)
            }
            if part.upperBound - start - length - minSpace > shortest {
                free.append(start + length + minSpace..<part.upperBound)
            }
        }
        return masked.sorted()
    }

    /// Returns a sorted choice of distinct elements.
    private func choose(_ count: Int, from elements: [Int], _ stream: inout RandomStream) -> [Int] {
        // Selection sampling (Knuth, volume 2, 3.4.2, algorithm S): one pass, sorted result.
        var chosen: [Int] = []
        chosen.reserveCapacity(count)
        for (position, element) in elements.enumerated() where chosen.count < count {
            let left = elements.count - position
            if stream.integer(below: left) < count - chosen.count { chosen.append(element) }
        }
        return chosen
    }
}
