import Foundation
import W2VCorpus

extension Manifest {
    /// Reads the manifests to learn from, one after the other; an epoch has each one's utterances as often as its weight.
    ///
    /// - Parameters:
    ///   - sources: The files or folders.
    ///   - labels: The extension of label files, if labels are wanted.
    /// - Returns: All utterances, in the order given.
    /// - Throws: `CorpusError`, or ``TrainingError`` for a weight that is no positive number.
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

    /// Reads a held-out manifest, every utterance of which counts once.
    ///
    /// - Parameters:
    ///   - source: The file or folder.
    ///   - labels: The extension of label files, if labels are wanted.
    /// - Returns: The utterances.
    /// - Throws: `CorpusError`, or ``TrainingError`` for a weight.
    static func validation(_ source: WeightedManifest, labels: String?) throws -> Manifest {
        guard source.weight == 1 else {
            throw TrainingError.weightedValidation(list: source.url.path, weight: source.weight)
        }
        return try training([source], labels: labels)
    }
}
