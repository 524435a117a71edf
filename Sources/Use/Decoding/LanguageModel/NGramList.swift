/// All n-grams of one order, as an ARPA file lists them.
struct NGramList {
    let order: Int
    /// Word numbers, `order` for each n-gram, in the order of speech.
    var words: [UInt32] = []
    /// Logarithms to base 10.
    var probabilities: [Float] = []
    /// Backoff weights: logarithms to base 10; the longest n-grams have no weights.
    var backoffs: [Float] = []

    var count: Int { probabilities.count }

    /// Returns the word that is `back` words before the n-gram's last.
    @inline(__always) func word(_ index: Int, back: Int) -> UInt32 { words[(index + 1) * order - 1 - back] }
}

/// The content of an ARPA file.
struct NGramModel {
    /// The words by number; the first is `<unk>`.
    var words: [String]
    /// The n-grams of order 1, 2, and so on; the unigrams are in the order of their words' numbers.
    var lists: [NGramList]

    func text(_ list: NGramList, _ index: Int) -> String {
        list.words[index * list.order..<(index + 1) * list.order].map { words[Int($0)] }.joined(separator: " ")
    }
}
