/// A line of `metrics.jsonl` about training, averaged over the updates since the line before.
///
/// Losses are in nats: per masked frame in pre-training, per sentence in fine-tuning.
struct TrainRecord: Encodable {
    var kind = "train"
    var update: Int
    var epoch: Int
    var loss: Double
    var contrastive: Double?
    var diversity: Double?
    var penalty: Double?
    var accuracy: Double?
    var codePerplexity: Double?
    var probPerplexity: Double?
    var temperature: Double?
    var gradNorm: Double
    var lr: Double
    /// What losses are multiplied by in half precision.
    var lossScale: Double?
    /// Updates of this line that were skipped because their gradients overflowed.
    var skippedUpdates: Int?
    var audioSecondsPerSecond: Double
    var framesPerSecond: Double
    var maskedFramesPerSecond: Double
    /// Operations of the model over those of a large matrix product in the same time.
    var utilisation: Double?
    var dataWaitShare: Double
    var peakRssMb: Double
    /// Seconds until the end at the present speed, validation and saving left out.
    var etaSeconds: Double?
    /// Seconds of training so far, over all runs that were resumed.
    var seconds: Double

    /// Sums up.
    ///
    /// - Parameters:
    ///   - sums: The updates' sums.
    ///   - rates: How fast they were made.
    ///   - update: The last of them.
    ///   - epoch: Its epoch, from 0.
    ///   - learningRate: Its learning rate.
    ///   - temperature: The quantizer's temperature in it; `nil` in fine-tuning, as are the pre-training loss's parts.
    ///   - lossScale: What its loss was multiplied by; `nil` where losses are not scaled.
    ///   - etaSeconds: How long the rest will take.
    ///   - seconds: How long all so far took.
    init(
        _ sums: Statistics, _ rates: Meter.Rates, update: Int, epoch: Int, learningRate: Double, temperature: Double?,
        lossScale: Double?, etaSeconds: Double?, seconds: Double
    ) {
        self.update = update
        self.epoch = epoch
        self.temperature = temperature
        self.etaSeconds = etaSeconds
        self.seconds = seconds
        loss = sums.mean(sums.loss)
        if temperature != nil {
            contrastive = sums.mean(sums.contrastive)
            diversity = sums.mean(sums.diversity)
            penalty = sums.mean(sums.penalty)
            accuracy = sums.mean(Double(sums.correct))
            codePerplexity = sums.mean(sums.codePerplexity)
            probPerplexity = sums.mean(sums.probPerplexity)
        }
        gradNorm = sums.gradientNorm / Double(max(1, sums.updates - sums.skippedUpdates))
        lr = learningRate
        self.lossScale = lossScale
        skippedUpdates = lossScale.map { _ in sums.skippedUpdates }
        audioSecondsPerSecond = rates.audioSecondsPerSecond
        framesPerSecond = rates.framesPerSecond
        maskedFramesPerSecond = rates.maskedFramesPerSecond
        utilisation = rates.utilisation
        dataWaitShare = rates.waitShare
        peakRssMb = peakResidentMegabytes()
    }
}

/// A line of `metrics.jsonl` about a validation set.
struct ValidRecord: Encodable {
    /// `valid`, or `valid_ema` of averaged weights.
    var kind: String
    var update: Int
    var epoch: Int
    /// The manifest.
    var name: String
    var utterances: Int
    /// Absent when it is no finite number, which JSON cannot hold.
    var loss: Double?
    var accuracy: Double?
    var codePerplexity: Double?
    var probPerplexity: Double?
    /// Entries of the code books that were chosen at least once, over all groups.
    var codesUsed: Int?
    /// Word error rate, as a fraction.
    var wer: Double?
    /// The same of the best path's words with specials such as `<pad>` spelled out, as fairseq counts.
    var rawWer: Double?
    /// Unit error rate: of the dictionary's symbols, word boundaries included, as a fraction.
    var uer: Double?
    /// Character error rate, as a fraction.
    var cer: Double?
    /// Whether the set decides the best checkpoint, and this is the best so far.
    var best: Bool
    var seconds: Double

    /// Sums up.
    ///
    /// - Parameters:
    ///   - result: What was measured.
    ///   - kind: `valid`, or `valid_ema` of averaged weights.
    ///   - pretrains: Whether the model is being pre-trained.
    ///   - name: The manifest.
    ///   - update: The update after which it was measured.
    ///   - epoch: Its epoch, from 0.
    ///   - best: Whether it is the best so far.
    ///   - seconds: How long training has taken.
    init(
        _ result: ValidationResult, kind: String = "valid", pretrains: Bool, name: String, update: Int, epoch: Int,
        best: Bool, seconds: Double
    ) {
        let sums = result.statistics
        self.kind = kind
        self.update = update
        self.epoch = epoch
        self.name = name
        self.best = best
        self.seconds = seconds
        utterances = result.utterances
        loss = sums.mean(sums.loss).isFinite ? sums.mean(sums.loss) : nil
        if pretrains {
            accuracy = sums.mean(Double(sums.correct))
            codePerplexity = sums.mean(sums.codePerplexity)
            probPerplexity = sums.mean(sums.probPerplexity)
            codesUsed = result.codesUsed?.used
        }
        wer = result.wer
        rawWer = result.rawWer
        uer = result.uer
        cer = result.cer
    }
}

/// A line of `metrics.jsonl` about something that looks wrong.
struct WarningRecord: Encodable {
    var kind = "warning"
    var update: Int
    /// A short name for scripts.
    var topic: String
    var message: String
}

/// The line of `metrics.jsonl` at the end of a job: how fast its last epochs were, validation and saving left out.
struct BenchmarkRecord: Encodable {
    var kind = "benchmark"
    var update: Int
    var updates: Int
    var secondsPerUpdate: Double
    var audioSecondsPerSecond: Double
    var framesPerSecond: Double
    var maskedFramesPerSecond: Double
    var utilisation: Double?
    var dataWaitShare: Double
    var peakRssMb: Double

    /// Sums up what a meter has measured.
    init(_ counts: Meter.Counts, _ rates: Meter.Rates, update: Int) {
        self.update = update
        updates = counts.updates
        secondsPerUpdate = counts.seconds / Double(max(1, counts.updates))
        audioSecondsPerSecond = rates.audioSecondsPerSecond
        framesPerSecond = rates.framesPerSecond
        maskedFramesPerSecond = rates.maskedFramesPerSecond
        utilisation = rates.utilisation
        dataWaitShare = rates.waitShare
        peakRssMb = peakResidentMegabytes()
    }
}
