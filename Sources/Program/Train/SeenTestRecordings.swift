import Foundation
import W2VCorpus
import W2VTraining

/// What the runs that a report is about have seen of its test recordings, in words.
struct SeenTestRecordings {
    /// How many of the recordings one of the runs was trained on; `nil` where one of them does not tell.
    let trained: Int?
    /// For the page: always at least one sentence.
    let sentences: String
    /// For the terminal: what makes the error rates doubtful.
    let warnings: [String]
    private let count: Int

    /// Holds test recordings against the lists of the runs.
    ///
    /// - Parameters:
    ///   - test: The recordings.
    ///   - pretrain: The pre-training's folder.
    ///   - finetune: The fine-tuning's folder.
    ///   - scratch: The folder of the same fine-tuning from random weights.
    ///   - choosesBest: Whether the evaluated checkpoint was chosen by a held-out list.
    init(_ test: Manifest, pretrain: String, finetune: String, scratch: String?, choosesBest: Bool) {
        count = test.count
        var warnings: [String] = []
        var trained = Set<String>()
        var isKnown = true
        let runs = [("pre-training", pretrain, false), ("fine-tuning", finetune, choosesBest)]
        for (name, path, chooses) in runs
            + (scratch.map { [("fine-tuning from random weights", $0, choosesBest)] } ?? [])
        {
            do {
                let seen = try SeenRecordings(test, in: fileURL(path))
                trained.formUnion(seen.trained)
                if !seen.trained.isEmpty {
                    warnings.append("\(Self.share(seen.trained, of: test.count)) among those that \(name) learned from")
                }
                if chooses, !seen.held.isEmpty {
                    warnings.append(
                        "\(Self.share(seen.held, of: test.count)) among those that chose the best checkpoint of \(name)"
                    )
                }
            } catch {
                isKnown = false
                warnings.append("whether \(name) has seen the test recordings is not known: \(error)")
            }
        }
        self.trained = isKnown ? trained.count : nil
        self.warnings = warnings
        sentences =
            warnings.isEmpty
            ? "The training manifests contain no recording of these."
            : warnings.map { $0.prefix(1).uppercased() + $0.dropFirst() + "." }.joined(separator: " ")
                + (trained.isEmpty ? "" : " Expect more errors on recordings that are new to the model.")
    }

    /// A key figure's note.
    var note: String {
        switch trained {
        case 0: "on recordings that training has not seen"
        case let seen?: "on \(count) recordings, of which training saw \(seen)"
        case nil: "on the test recordings"
        }
    }

    private static func share(_ seen: [String], of count: Int) -> String {
        let names = seen.prefix(3).joined(separator: ", ") + (seen.count > 3 ? ", …" : "")
        return "\(seen.count) of the \(count) test recordings (\(names)) \(seen.count == 1 ? "is" : "are")"
    }
}
