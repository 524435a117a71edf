import Foundation
import W2VCorpus

extension Manifest {
    /// Reads and concatenates the training manifests; an epoch draws each one's utterances according to its weight.
    ///
    /// - Parameters:
    ///   - sources: The files or folders.
    ///   - labels: The extension of label files, if labels are needed.
    /// - Returns: All utterances, in the order given.
    /// - Throws: `CorpusError`, or ``TrainingError`` for a weight that is not a positive number.
    static func training(_ sources: [WeightedManifest], labels: String?) throws -> Manifest {
        if let bad = sources.first(where: { !($0.weight > 0 && $0.weight <= 1000) }) {
            throw TrainingError.badWeight(list: bad.url.path, weight: bad.weight)
        }
        let manifests = try sources.map { source in
            let manifest = try read(source.url, labels: labels)
            try manifest.validate()
            return (manifest, source.weight)
        }
        return try joined(manifests)
    }

    /// Reads a held-out manifest, each utterance of which counts once.
    ///
    /// - Parameters:
    ///   - source: The file or folder.
    ///   - labels: The extension of label files, if labels are needed.
    /// - Throws: `CorpusError`, or ``TrainingError`` for a weight.
    static func validation(_ source: WeightedManifest, labels: String?) throws -> Manifest {
        guard source.weight == 1 else {
            throw TrainingError.weightedValidation(list: source.url.path, weight: source.weight)
        }
        return try training([source], labels: labels)
    }
}
