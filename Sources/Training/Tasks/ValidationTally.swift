import Decoding
import Torch
import Wav2Vec2

/// What validation counts: those of several processes add up.
struct ValidationTally: Codable {
    /// The sums.
    var statistics = Statistics()
    /// How many utterances were looked at.
    var utterances = 0
    /// How often each entry of each code book was chosen; empty in fine-tuning.
    var codeCounts: [[Int]] = []
    /// Errors in words and characters; `nil` in pre-training.
    var text: RecognitionErrors?
    /// Errors in words with specials spelled out; `nil` in pre-training.
    var rawWords: ErrorRate?
    /// Errors in the dictionary's symbols; `nil` in pre-training.
    var units: ErrorRate?

    /// Takes the errors of recognised labels over.
    mutating func take(_ errors: CTCErrors) {
        (text, rawWords, units) = (errors.text, errors.rawWords, errors.units)
    }

    /// Counts which entries of the code books were chosen.
    mutating func count(_ quantized: Quantized) throws {
        let groups = quantized.codes.size(1)
        if codeCounts.isEmpty {
            let book = [Int](repeating: 0, count: quantized.entryCount / groups)
            codeCounts = [[Int]](repeating: book, count: groups)
        }
        for (index, code) in try quantized.codes.elements(Int64.self).enumerated() {
            codeCounts[index % groups][Int(code)] += 1
        }
    }

    static func += (left: inout ValidationTally, right: ValidationTally) {
        left.statistics += right.statistics
        left.utterances += right.utterances
        if left.codeCounts.isEmpty {
            left.codeCounts = right.codeCounts
        } else if !right.codeCounts.isEmpty {
            left.codeCounts = zip(left.codeCounts, right.codeCounts).map { zip($0, $1).map(+) }
        }
        if let other = right.text { left.text = sum(left.text, other) { $0.add($1) } }
        if let other = right.rawWords { left.rawWords = sum(left.rawWords, other) { $0.add($1) } }
        if let other = right.units { left.units = sum(left.units, other) { $0.add($1) } }
    }

    private static func sum<Count>(_ left: Count?, _ right: Count, _ add: (inout Count, Count) -> Void) -> Count {
        guard var result = left else { return right }
        add(&result, right)
        return result
    }
}
