import Corpus
import Wav2Vec2

extension Recipe {
    /// How held-out recordings are put together for pre-training's losses: as training ones are, always alike.
    func pretrainingValidationPlan(_ manifest: Manifest) throws -> BatchPlan {
        var options = batchOptions(receptiveField: model.convFeatureLayers.receptiveField)
        options.maxTokens = batching.maxTokensValid ?? options.maxTokens
        options.batchSize = batching.batchSizeValid ?? options.batchSize
        options.concatenated = 1
        return try BatchPlan(manifest, options: options, seed: seed, epoch: 0)
    }

    /// How held-out recordings are put together for error rates: whatever the longest utterance is, it is measured.
    func finetuningValidationPlan(_ manifest: Manifest) throws -> BatchPlan {
        let tokens = max(batching.maxTokensValid ?? batching.maxTokens, manifest.sampleCounts.max() ?? 1)
        return try BatchPlan.sequential(
            manifest,
            options: BatchOptions(
                maxTokens: tokens, minSampleSize: model.convFeatureLayers.receptiveField, requiredBatchSizeMultiple: 1,
                batchSize: batching.batchSizeValid ?? batching.batchSize,
                skipInvalid: batching.skipInvalidSizeInputs))
    }

    /// A sentence about held-out utterances that no model can look at; `nil` if there are none.
    ///
    /// - Throws: `CorpusError`, if nothing is left to validate on, or none may be left out.
    func validationExclusions(_ manifest: Manifest, _ task: TrainingJob.Task) throws -> String? {
        switch task {
        case .pretraining: try pretrainingValidationPlan(manifest).exclusionSummary(manifest)
        case .finetuning:
            try finetuningValidationPlan(manifest).exclusionSummary(manifest).map {
                $0.dropLast() + "; their transcripts count as if nothing had been recognised."
            }
        }
    }
}
