import Foundation
import W2VBase

/// Estimates probabilities from counts of n-grams: adjusted counts, discounts, and interpolation with lower orders.
///
///     p(w | c) = (a(c w) − D(a)) / Σ a(c ·) + γ(c) · p(w | c′)
///     γ(c) = (Σ D(a) over the n-grams c · that are kept + Σ a over those that are pruned) / Σ a(c ·)
///
/// a are the adjusted counts, and c′ is the context without its oldest word.
///
/// Records store words newest first, so that sorted records are in suffix order: an n-gram follows its own suffix.
final class KneserNeyEstimator {
    private let order: Int
    private let thresholds: [UInt64]
    private let fallback: [Float]?
    private let memory: Int
    private let folder: URL
    private let wordCount: Int
    private let path: String

    /// For each order, sorted by context: words, adjusted count, with its highest bit telling whether the n-gram is
    /// pruned.
    private var adjusted: [SortedRecords] = []
    private var statistics: [[UInt64]]
    /// For each order the discounts D of counts 0, 1, 2, and 3 or more.
    private(set) var discounts: [[Float]] = []
    /// For each order: words, probability, backoff weight; in suffix order.
    private var entries: [RecordFile] = []

    private static let pruned: UInt64 = 1 << 63

    init(
        order: Int, thresholds: [UInt64], fallback: [Float]?, memory: Int, folder: URL, wordCount: Int, path: String
    ) {
        self.order = order
        self.thresholds = thresholds
        self.fallback = fallback
        self.memory = memory
        self.folder = folder
        self.wordCount = wordCount
        self.path = path
        statistics = Array(repeating: Array(repeating: 0, count: 5), count: order)
    }

    // MARK: - Adjusted counts

    /// Converts counts of the longest n-grams to adjusted counts of all orders.
    ///
    /// The longest n-grams, and those that begin a sentence, keep their counts; for every other n-gram the distinct
    /// words before it are counted instead.
    func adjust(_ full: SortedRecords) throws(LanguageModelError) {
        // Contexts first: words before the last, newest first, then the last.
        adjusted = (1...order).map { order in
            SortedRecords(
                width: order + 2, keyLength: order, memory: memory / (2 * self.order), folder: folder)
        }
        try emit(1, [LanguageModelBuilder.unknown], count: 0, actual: .max)
        try emit(1, [LanguageModelBuilder.begin], count: 0, actual: .max)
        var last = [UInt32](repeating: .max, count: order)
        // The suffixes of the current record, by order.
        var isOpen = [Bool](repeating: false, count: order + 1)
        var counts = [UInt64](repeating: 0, count: order + 1)
        var actual = counts
        try full.drain { record throws(LanguageModelError) in
            let count = SortedRecords.number(record + order)
            var same = 0
            while same < order, record[same] == last[same] { same += 1 }
            for length in stride(from: order - 1, to: same, by: -1) where isOpen[length] {
                try emit(length, last[0..<length], count: counts[length], actual: actual[length])
                isOpen[length] = false
            }
            for length in 0...same { actual[length] += count }
            counts[same] += 1
            var length = same + 1
            while length < order {
                let beginsSentence = record[length - 1] == LanguageModelBuilder.begin
                isOpen[length] = true
                counts[length] = beginsSentence ? count : 1
                actual[length] = count
                if beginsSentence { break }
                length += 1
            }
            for index in 0..<order { last[index] = record[index] }
            if length == order { try emit(order, last[...], count: count, actual: count) }
        }
        for length in 1..<max(order, 1) where isOpen[length] {
            // lmplz uses the actual counts of these very last n-grams in its statistics; with others, ours would
            // differ.
            try emit(
                length, last[0..<length], count: counts[length], actual: actual[length], statistic: actual[length])
        }
        discounts = []
        for order in 1...order { discounts.append(try discount(order)) }
    }

    private func emit(
        _ length: Int, _ words: ArraySlice<UInt32>, count: UInt64, actual: UInt64, statistic: UInt64? = nil
    ) throws(LanguageModelError) {
        let known = statistic ?? count
        if known < 5 { statistics[length - 1][Int(known)] += 1 }
        let mark = actual <= thresholds[length - 1] ? Self.pruned : 0
        try adjusted[length - 1].append { record in
            // Contexts are sorted by their words newest first, and within one by the word that follows.
            for (index, word) in words.dropFirst().enumerated() { record[index] = word }
            record[length - 1] = words[words.startIndex]
            SortedRecords.store(count | mark, record + length)
        }
    }

    /// Returns the discounts of an order, Chen and Goodman's equation 26.
    private func discount(_ order: Int) throws(LanguageModelError) -> [Float] {
        let counts = statistics[order - 1]
        var discounts: [Float] = [0]
        var problem: String?
        if let missing = (1...3).first(where: { counts[$0] == 0 }) {
            problem = "no \(order)-gram of the text occurs exactly \(missing) times"
        } else {
            let y = Float(counts[1]) / Float(Double(counts[1]) + 2 * Double(counts[2]))
            for count in 1...3 {
                let value = Float(count) - Float(count + 1) * y * Float(counts[count + 1]) / Float(counts[count])
                discounts.append(value)
                if !(0...Float(count) ~= value) {
                    problem = "the discount of \(order)-grams that occur \(count) times comes out as \(value)"
                }
            }
        }
        guard let problem else { return discounts }
        guard let fallback, let last = fallback.last else {
            throw .unusable(
                path: path,
                reason: "cannot be made: \(problem), so the discounts cannot be estimated; take more text, leave out "
                    + "sentences that repeat, or \(Phrase.fixedDiscounts)")
        }
        return [0] + (0..<3).map { $0 < fallback.count ? fallback[$0] : last }
    }

    // MARK: - Probabilities

    /// Estimates all orders.
    ///
    /// - Returns: For each order, the number of remaining n-grams.
    func estimate() throws(LanguageModelError) -> [Int] {
        var probabilities: [SortedRecords.SortedStream] = []
        var gammas: [ContextWeights] = []
        for order in 1...order {
            let (stream, weights) = try initial(order)
            probabilities.append(stream)
            // The weights of contexts are backoff weights of the order below.
            if order > 1 { gammas.append(weights) }
        }
        var join = try Interpolation(
            streams: probabilities, gammas: gammas, folder: folder,
            uniform: 1 / Float(wordCount - 1))
        try join.run()
        entries = join.files
        return join.counts
    }

    /// The weights γ of contexts for the order below, in suffix order.
    fileprivate struct ContextWeights {
        let length: Int
        let file: RecordFile
        var place: UnsafeMutablePointer<UInt32>?
        var left = 0

        mutating func start() throws(LanguageModelError) {
            try file.rewind(buffer: (length + 1) * 4 << 14)
            try fill()
        }

        private mutating func fill() throws(LanguageModelError) {
            let read = try file.read(recordBytes: (length + 1) * 4)
            place = read?.0
            left = read?.1 ?? 0
        }

        /// Returns the weight of a context, 1 for an n-gram that is not a context; contexts must be requested in order.
        mutating func weight(_ words: UnsafeMutablePointer<UInt32>) throws(LanguageModelError) -> Float {
            while let place {
                var index = 0
                while index < length, place[index] == words[index] { index += 1 }
                if index == length {
                    let weight = Float(bitPattern: place[length])
                    try advance()
                    return weight
                }
                if place[index] > words[index] { return 1 }
                try advance()
            }
            return 1
        }

        private mutating func advance() throws(LanguageModelError) {
            left -= 1
            if left > 0 { place = place.map { $0 + length + 1 } } else { try fill() }
        }
    }

    /// Computes probabilities before interpolation, and the weight γ of the interpolated part, for n-grams of one
    /// order.
    private func initial(
        _ length: Int
    ) throws(LanguageModelError) -> (SortedRecords.SortedStream, ContextWeights) {
        let sorted = SortedRecords(
            width: length + 2, keyLength: length, memory: memory / (2 * order), folder: folder)
        let file = try RecordFile(folder: folder)
        let discount = discounts[length - 1]
        var group: [(word: UInt32, count: UInt64)] = []
        var context = [UInt32](repeating: .max, count: length - 1)

        func close() throws(LanguageModelError) {
            guard !group.isEmpty else { return }
            var total: UInt64 = 0
            var cut: UInt64 = 0
            var kinds: [UInt64] = [0, 0, 0, 0]
            for (_, marked) in group {
                let count = marked & ~Self.pruned
                total += count
                if marked & Self.pruned != 0 {
                    cut += count
                } else if count > 0 {
                    kinds[Int(min(count, 3))] += 1
                }
            }
            let denominator = Float(total)
            var gamma: Float = 0
            for kind in 1...3 { gamma += discount[kind] * Float(kinds[kind]) }
            gamma += Float(cut)
            gamma /= denominator
            var words = context
            words.append(gamma.bitPattern)
            try Self.write(words, to: file)
            for (word, marked) in group where marked & Self.pruned == 0 {
                var probability = (Float(marked) - discount[Int(min(marked, 3))]) / denominator
                var weight = gamma
                if length == 1, word == LanguageModelBuilder.unknown { probability = 0 }
                // A sentence's beginning is given, not predicted.
                if length == 1, word == LanguageModelBuilder.begin { (probability, weight) = (1, 0) }
                try sorted.append { record in
                    record[0] = word
                    for (index, word) in context.enumerated() { record[index + 1] = word }
                    record[length] = probability.bitPattern
                    record[length + 1] = weight.bitPattern
                }
            }
            group.removeAll(keepingCapacity: true)
        }
        try adjusted[length - 1].drain { record throws(LanguageModelError) in
            let isSame = (0..<length - 1).allSatisfy { record[$0] == context[$0] }
            if !isSame {
                try close()
                for index in 0..<length - 1 { context[index] = record[index] }
            }
            group.append((record[length - 1], SortedRecords.number(record + length)))
        }
        try close()
        return (try SortedRecords.SortedStream(sorted), ContextWeights(length: length - 1, file: file))
    }

    fileprivate static func write(_ numbers: [UInt32], to file: RecordFile) throws(LanguageModelError) {
        let result = numbers.withUnsafeBufferPointer { buffer in
            Result { () throws(LanguageModelError) in try file.append(buffer) }
        }
        try result.get()
    }

    /// Calls `body` with every n-gram of an order: words newest first, probability and backoff weight as logarithms.
    func forEachEntry(
        _ length: Int,
        _ body: (UnsafeBufferPointer<UInt32>, Float, Float) throws(LanguageModelError) -> Void
    ) throws(LanguageModelError) {
        let file = entries[length - 1]
        let width = length + 2
        try file.rewind(buffer: width * 4 << 14)
        while let (start, count) = try file.read(recordBytes: width * 4) {
            for index in 0..<count {
                let record = start + index * width
                try body(
                    UnsafeBufferPointer(start: record, count: length), Float(bitPattern: record[length]),
                    Float(bitPattern: record[length + 1]))
            }
        }
    }

    // MARK: - Interpolation

    /// Visits all orders at once in suffix order, so that the probability of an n-gram's suffix is already known.
    private struct Interpolation {
        let streams: [SortedRecords.SortedStream]
        var gammas: [ContextWeights]
        let files: [RecordFile]
        var counts: [Int]
        private var heads: [UnsafeMutablePointer<UInt32>?]
        private var probabilities: [Float]

        init(
            streams: [SortedRecords.SortedStream], gammas: [ContextWeights], folder: URL, uniform: Float
        ) throws(LanguageModelError) {
            self.streams = streams
            self.gammas = gammas
            var files: [RecordFile] = []
            for _ in streams { files.append(try RecordFile(folder: folder)) }
            self.files = files
            counts = Array(repeating: 0, count: streams.count)
            heads = []
            probabilities = [uniform] + Array(repeating: 0, count: streams.count)
            for index in self.gammas.indices { try self.gammas[index].start() }
            for stream in streams { heads.append(try stream.next()) }
        }

        mutating func run() throws(LanguageModelError) {
            while heads[0] != nil { try visit(1) }
        }

        /// Writes the next n-gram of this order, and those that end in it.
        private mutating func visit(_ length: Int) throws(LanguageModelError) {
            guard let record = heads[length - 1] else { return }
            let probability =
                Float(bitPattern: record[length]) + Float(bitPattern: record[length + 1]) * probabilities[length - 1]
            probabilities[length] = probability
            let words = Array(UnsafeBufferPointer(start: record, count: length))
            let backoff = length < streams.count ? try gammas[length - 1].weight(record) : 1
            try KneserNeyEstimator.write(
                words + [min(0, log10f(probability)).bitPattern, log10f(backoff).bitPattern], to: files[length - 1])
            counts[length - 1] += 1
            heads[length - 1] = try streams[length - 1].next()
            guard length < streams.count else { return }
            while let next = heads[length], (0..<length).allSatisfy({ next[$0] == words[$0] }) { try visit(length + 1) }
        }
    }
}
