import W2VBackbone
import W2VBase
import W2VCluster
import W2VCorpus
import W2VDecoding
import W2VInterchange
import W2VObjectives
import W2VTorch

/// The differences between pre-training and fine-tuning.
protocol TrainingTask: AnyObject {
    /// The model.
    var module: any ConvertibleModel { get }
    /// The model's description, for its checkpoint.
    var description: ModelDescription { get }
    /// The parameters that learn.
    var groups: [ParameterGroup] { get }
    /// The dictionary that encodes labels; `nil` without labels.
    var dictionary: LabelDictionary? { get }
    /// The metrics that it reports in addition to the loss.
    var metrics: [Metric] { get }
    /// The value that is lowest for the best checkpoint: `loss`, or the name of one of ``metrics``.
    var metric: String { get }

    /// The fewest samples of an utterance that the task can learn from.
    var leastSamples: Int { get }

    /// Whether backward passes are recorded and replayed, so that completed gradients cannot be observed during the
    /// pass.
    var recordsSteps: Bool { get }

    /// The numbers of passes that were recorded and replayed so far; `nil` where passes are not recorded.
    var recordingCounts: RecordingCounts? { get }

    /// Brings a micro-batch to the device, and makes its random draws: work that can be done while the device is busy
    /// with another one.
    ///
    /// It reads the model's settings, not its parameters' values, and may run on another thread than the passes.
    ///
    /// - Parameters:
    ///   - batch: The utterances.
    ///   - update: The update's number, from 1.
    ///   - microBatch: The micro-batch's number in the update.
    ///   - upload: The way to the device.
    /// - Throws: `ConfigurationError` for utterances that are too short for their masks.
    func prepare(
        _ batch: MicroBatch, update: Int, microBatch: Int, through upload: Upload
    ) throws -> any PreparedMicroBatch

    /// Returns the parameters without a gradient in an update, which are the same for all micro-batches and processes.
    ///
    /// - Parameter update: The update's number, from 1.
    /// - Returns: The names of the parameters in dropped and frozen layers.
    func parametersWithoutGradient(update: Int) -> Set<String>

    /// Groups held-out utterances into batches.
    ///
    /// - Parameter manifest: The held-out recordings.
    /// - Throws: `CorpusError`, for example if no utterance is left.
    func validationPlan(_ manifest: Manifest) throws -> BatchPlan

    /// Evaluates the model on this process's share of held-out recordings, which always get the same masks.
    ///
    /// - Parameters:
    ///   - manifest: The held-out recordings.
    ///   - share: Selects this process's batches of the plan.
    /// - Throws: An error of the data or the model.
    func tally(_ manifest: Manifest, share: ProcessShare) throws -> ValidationTally
}

extension Recipe {
    /// Names the utterances that are too short for their masks' spans.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - leastSamples: Minimum number of samples of utterances that are learned from.
    ///   - consequence: What happens to the named utterances, as the end of a sentence.
    ///   - isTooShort: Returns whether this many frames are too few.
    /// - Returns: A warning, and whether it is about all utterances that are learned from; `nil` if all are long
    ///   enough.
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
    /// Evaluates the model on held-out recordings, each of them once, independently of the number of processes.
    ///
    /// - Parameters:
    ///   - manifest: The held-out recordings.
    ///   - cluster: The processes that share the work, if there are several.
    /// - Returns: The result, the same in every process.
    /// - Throws: An error of the data or the model.
    func validate(_ manifest: Manifest, among cluster: Cluster? = nil) throws -> ValidationTally {
        guard let cluster else { return try tally(manifest, share: .everything) }
        let own = Result { try tally(manifest, share: ProcessShare(rank: cluster.rank, size: cluster.size)) }
        var share = ValidationShare()
        do { share.tally = try own.get() } catch { share.isTheModels = error is DecoderError }
        // All processes learn of a failure in one of them, and save together before they end.
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

/// A process's part of validation, as the others receive it.
private struct ValidationShare: Codable {
    /// The process's result; `nil` if it failed.
    var tally: ValidationTally?
    /// Whether the model caused the failure.
    var isTheModels = false
}

/// A failure in validation that all processes know of, so that all react in the same way.
struct ValidationFailure: ExplainedError {
    /// This process's own error, or a note that another one failed.
    let failure: any Error
    /// Whether the model caused it, rather than the data.
    let isTheModels: Bool

    var kind: ErrorKind { (failure as? any ExplainedError)?.kind ?? .failure }
    var explanation: Explanation { Explanation("validation failed", cause: failure) }
}
