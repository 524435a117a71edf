import Foundation
import W2VCluster
import W2VCorpus

/// A run's training and held-out recordings.
struct RunManifests {
    /// The training recordings.
    let training: Manifest
    /// The held-out sets; the first one selects the best checkpoint.
    let validation: [Manifest]

    /// Reads the manifests, and makes sure that all processes have the same.
    ///
    /// - Parameters:
    ///   - run: The run.
    ///   - isResumed: Whether the dictionary comes from the run's own checkpoint.
    ///   - cluster: The processes that train together, if there are several.
    /// - Throws: `CorpusError`; ``TrainingError`` if a process has other data than rank 0.
    init(for run: ResolvedRun, isResumed: Bool, among cluster: Cluster?) throws {
        let labels = run.job.kind.readsLabels ? run.recipe.data.labels : nil
        training = try Manifest.training(run.job.train, labels: labels)
        validation = try run.job.valid.map { try Manifest.validation($0, labels: labels) }
        guard let cluster else { return }
        let file = LabelDictionary.file(for: run.job.train[0].url, labels: run.recipe.data.labels)
        let dictionary = labels != nil && !isResumed ? try? LabelDictionary(contentsOf: file) : nil
        try DataAgreement(training, validation: validation, dictionary: dictionary).compare(among: cluster)
    }

    /// The training data in words: the manifests with their counts.
    var summary: String { "\(training.name) (\(training.count) utterances, \(training.totalSamples) samples)" }
}
