import W2VBackbone
import W2VBase
import W2VCluster
import W2VCorpus
import W2VDecoding
import W2VInterchange
import W2VObjectives
import W2VTorch

/// What pre-training and fine-tuning do differently.
protocol TrainingTask: AnyObject {
    /// The model.
    var module: any ConvertibleModel { get }
    /// What the model is, for its checkpoint.
    var description: ModelDescription { get }
    /// The parameters that learn.
    var groups: [ParameterGroup] { get }
    /// Encodes labels, where the task has any.
    var dictionary: LabelDictionary? { get }
    /// The metrics that it reports besides the loss.
    var metrics: [Metric] { get }
    /// The name of the value that the best checkpoint has the lowest of: `loss`, or one of ``metrics``.
    var metric: String { get }

    /// The samples that an utterance needs at least, or there is nothing in it to learn from.
    var leastSamples: Int { get }

    /// Whether backward passes are recorded, and then done without anybody noticing how far they are.
    var recordsSteps: Bool { get }

    /// Brings a micro-batch to the device, and makes its random choices: what can be done while the device is busy with
    /// another.
    ///
    /// - Parameters:
    ///   - batch: The utterances.
    ///   - update: The update's number, from 1.
    ///   - microBatch: The micro-batch's number in the update.
    /// - Returns: The micro-batch, ready for the model.
    /// - Throws: `ConfigurationError` for masks that utterances are too short for.
    func prepare(_ batch: MicroBatch, update: Int, microBatch: Int) throws -> any PreparedMicroBatch

    /// The parameters that get no gradient in an update, whichever micro-batch and process computes it.
    ///
    /// - Parameter update: The update's number, from 1.
    /// - Returns: Names: those of dropped and frozen layers.
    func parametersWithoutGradient(update: Int) -> Set<String>

    /// Which held-out utterances are measured together.
    ///
    /// - Parameter manifest: The held-out recordings.
    /// - Returns: The plan.
    /// - Throws: `CorpusError`, as when no utterance is left.
    func validationPlan(_ manifest: Manifest) throws -> BatchPlan

    /// Measures the model on this process's share of held-out recordings, which always get the same masks.
    ///
    /// - Parameters:
    ///   - manifest: The held-out recordings.
    ///   - share: Which of the plan's batches are this process's.
    /// - Returns: What was counted.
    /// - Throws: What the data or the model threw.
    func tally(_ manifest: Manifest, share: ProcessShare) throws -> ValidationTally
}

extension Recipe {
    /// Names utterances that are too short for the spans that masks are made of.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - leastSamples: Those of utterances that are learned from.
    ///   - consequence: What becomes of the others.
    ///   - isTooShort: Whether this many frames are too few.
    /// - Returns: A sentence, and whether it is about all utterances that are learned from; `nil` if all are long enough.
    func utterancesTooShortForMasks(
        _ manifest: Manifest, leastSamples: Int, consequence: String, isTooShort: (Int) -> Bool
    ) -> (sentence: String, areAll: Bool)? {
        guard masking.time.probability > 0 else { return nil }
        let least = max(leastSamples, data.minSampleSize)
        var (examples, count, longEnough): ([String], Int, Int) = ([], 0, 0)
        for (index, samples) in manifest.sampleCounts.enumerated() where samples >= least {
            let frames = model.convFeatureLayers.frames(samples: samples)
            guard isTooShort(frames) else {
                longEnough += 1
                continue
            }
            count += 1
            if examples.count < 10 { examples.append("\(manifest.identifier(index)) (\(frames) frames)") }
        }
        guard count > 0 else { return nil }
        let more = count > examples.count ? ", and \(count - examples.count) more" : ""
        return (
            "\(manifest.name): \(count) of \(manifest.count) utterances are too short for their masked spans "
                + "(masking.mask_length \(masking.time.length), mask_min_masks \(masking.time.minMasks)), "
                + "\(consequence): " + examples.joined(separator: "; ") + more, longEnough == 0
        )
    }
}

extension TrainingTask {
    /// Measures the model on held-out recordings, every one of them once, whatever the number of processes.
    ///
    /// - Parameters:
    ///   - manifest: The held-out recordings.
    ///   - cluster: The processes that share the work, if there are others.
    /// - Returns: The same in every process.
    /// - Throws: What the data or the model threw.
    func validate(_ manifest: Manifest, among cluster: Cluster? = nil) throws -> ValidationTally {
        guard let cluster else { return try tally(manifest, share: .everything) }
        let own = Result { try tally(manifest, share: ProcessShare(rank: cluster.rank, size: cluster.size)) }
        var share = ValidationShare()
        do { share.tally = try own.get() } catch { share.isTheModels = error is DecoderError }
        // What goes wrong in one process is heard by all, and they save together before they end.
        let all = try cluster.exchange(share)
        let tallies = all.compactMap(\.tally)
        guard tallies.count == all.count else {
            var cause: any Error = TorchError.communication("another process failed in validation")
            if case .failure(let error) = own { cause = error }
            throw ValidationFailure(failure: cause, isTheModels: all.contains(where: \.isTheModels))
        }
        return tallies.reduce(into: ValidationTally()) { $0 += $1 }
    }
}

/// What a process tells the others of its part in validation.
private struct ValidationShare: Codable {
    /// What it counted; `nil` if it failed.
    var tally: ValidationTally?
    /// Whether the model is to blame for that.
    var isTheModels = false
}

/// A failure in validation that every process has heard of, so that all do the same about it.
struct ValidationFailure: ExplainedError {
    /// This process's own error, or that another one has failed.
    let failure: any Error
    /// Whether the model is to blame, and not the data.
    let isTheModels: Bool

    var kind: ErrorKind { (failure as? any ExplainedError)?.kind ?? .failure }
    var explanation: Explanation { Explanation("validation failed", cause: failure) }
}
