import ArgumentParser

/// The utterances of a benchmark's batch: `4x10` is four of 10 s, `15,13,11.5` one of each.
struct BenchmarkShape: ExpressibleByArgument {
    /// The text on the command line.
    let text: String
    /// The length of each utterance in seconds.
    let seconds: [Double]

    /// Four utterances of 10 s.
    static let standard = BenchmarkShape(text: "4x10", seconds: [10, 10, 10, 10])

    private init(text: String, seconds: [Double]) {
        self.text = text
        self.seconds = seconds
    }

    init?(argument: String) {
        var seconds: [Double] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: "x", omittingEmptySubsequences: false)
                .map { $0.filter { $0 != " " } }
            guard let last = fields.last, let length = Double(last), (0.025...3600).contains(length) else { return nil }
            guard fields.count == 2 else {
                guard fields.count == 1 else { return nil }
                seconds.append(length)
                continue
            }
            guard let count = Int(fields[0]), (1...10_000).contains(count) else { return nil }
            seconds += [Double](repeating: length, count: count)
        }
        text = argument
        self.seconds = seconds
    }

    var defaultValueDescription: String { text }

    /// Number of samples of each utterance at 16 kHz.
    var samples: [Int] { seconds.map { Int(($0 * 16_000).rounded()) } }
}
