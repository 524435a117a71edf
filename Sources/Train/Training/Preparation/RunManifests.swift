import Foundation
import W2VCluster
import W2VCorpus

/// The recordings that a run learns from, and those that are held out.
struct RunManifests {
    /// The recordings to learn from.
    let training: Manifest
    /// The held-out sets; the first one chooses the best checkpoint.
    let validation: [Manifest]

    /// Reads the manifests, and makes sure that all processes have the same.
    ///
    /// - Parameters:
    ///   - run: The run.
    ///   - isResumed: Whether the run has its dictionary from its own checkpoint.
    ///   - cluster: The processes that train together, if there are others.
    /// - Throws: `CorpusError`; ``TrainingError`` where one process has other data than rank 0.
    init(for run: ResolvedRun, isResumed: Bool, among cluster: Cluster?) throws {
        let labels = run.job.task.readsLabels ? run.recipe.data.labels : nil
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
