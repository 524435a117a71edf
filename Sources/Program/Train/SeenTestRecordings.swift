import Foundation
import W2VCorpus
import W2VTraining

/// The test recordings that a report's runs have seen, in words.
struct SeenTestRecordings {
    /// Number of recordings that one of the runs was trained on; `nil` if one of them does not record it.
    let trained: Int?
    /// Text for the page: always at least one sentence.
    let sentences: String
    /// Warnings for the terminal: reasons to doubt the error rates.
    let warnings: [String]
    private let count: Int

    /// Compares test recordings with the lists of the runs.
    ///
    /// - Parameters:
    ///   - test: The recordings.
    ///   - pretrain: The pre-training run's folder.
    ///   - finetune: The fine-tuning run's folder.
    ///   - scratch: The folder of the same fine-tuning from random weights.
    ///   - choosesBest: Whether the evaluated checkpoint was selected with a held-out list.
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
