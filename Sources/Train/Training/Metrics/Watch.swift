import W2VObjectives

/// Detects training problems that do not cause an error.
///
/// It checks every update and warns once per spell of trouble. Its state is not saved: a resumed run starts over.
struct Watch {
    /// A problem of training.
    enum Warning: Equatable, CustomStringConvertible {
        /// Few entries of the code books are in use.
        case collapsedCodeBooks(update: Int, perplexity: Double, entries: Int, updates: Int)
        /// The loss has risen far above its best value.
        case divergingLoss(update: Int, loss: Double, best: Double, bestUpdate: Int)

        /// A short name for logs.
        var topic: String {
            switch self {
            case .collapsedCodeBooks: "collapsed_code_books"
            case .divergingLoss: "diverging_loss"
            }
        }

        /// The problem and what to do about it.
        var description: String {
            switch self {
            case .collapsedCodeBooks(let update, let perplexity, let entries, let updates):
                "update \(update): the code books are collapsing: about \(short(perplexity)) of \(entries) entries have "
                    + "been in use for \(updates) updates; the contrastive task is then easy and teaches little: raise "
                    + "the diversity loss (the first of objective.loss_weights), begin hotter or cool slower "
                    + "(model.latent_temp), or lower optimization.lr, and start again from before the collapse"
            case .divergingLoss(let update, let loss, let best, let bestUpdate):
                "update \(update): the loss is diverging: \(short(loss)) now, \(short(best)) around update "
                    + "\(bestUpdate): lower optimization.lr, warm up longer (optimization.warmup_updates), or set "
                    + "optimization.clip_norm, and start again from a checkpoint before the rise"
            }
        }
    }

    private let options: Recipe.WatchSection
    private let entries: Int
    private let groups: Int
    private let warmup: Int
    private var collapsed = 0
    private var rising = 0
    private var average: (loss: Double, weight: Double) = (0, 0)
    private var best: (loss: Double, update: Int)?

    /// Starts watching.
    ///
    /// - Parameters:
    ///   - options: The thresholds.
    ///   - entries: Number of entries of all code books together; 0 without code books.
    ///   - groups: Number of code books.
    ///   - warmup: Number of initial updates in which few codes may be in use.
    init(_ options: Recipe.WatchSection, entries: Int, groups: Int, warmup: Int) {
        self.options = options
        self.entries = entries
        self.groups = groups
        self.warmup = warmup
    }

    /// The code perplexity below which the code books count as collapsed.
    ///
    /// The perplexity is a sum over code books, each of which contributes at least 1: small ones must have at least
    /// half an entry more than that in use.
    var leastPerplexity: Double {
        guard options.codePerplexity > 0, entries > 0 else { return 0 }
        return max(options.codePerplexity * Double(entries), 1.5 * Double(groups))
    }

    /// Checks an update.
    ///
    /// - Parameters:
    ///   - update: Its number.
    ///   - sums: Its sums.
    /// - Returns: The problems that start with it.
    mutating func look(at update: Int, _ sums: Statistics) -> [Warning] {
        guard sums.sampleSize > 0 else { return [] }
        return [
            codeBooks(update, perplexity: sums.metrics.value(ContrastiveMetrics.codePerplexity.name) ?? .infinity),
            loss(update, sums.meanLoss),
        ].compactMap(\.self)
    }

    private mutating func codeBooks(_ update: Int, perplexity: Double) -> Warning? {
        guard entries > 0, update > warmup, perplexity < leastPerplexity else {
            collapsed = 0
            return nil
        }
        collapsed += 1
        guard collapsed == options.patience else { return nil }
        return .collapsedCodeBooks(update: update, perplexity: perplexity, entries: entries, updates: collapsed)
    }

    /// Averages the loss over about a quarter of the patience, because single batches are noisy.
    private mutating func loss(_ update: Int, _ loss: Double) -> Warning? {
        guard let divergence = options.divergence, loss.isFinite else { return nil }
        let keep = 1 - 1 / max(1, Double(options.patience) / 4)
        average.loss = keep * average.loss + (1 - keep) * loss
        average.weight = keep * average.weight + (1 - keep)
        let smooth = average.loss / average.weight
        guard let best, smooth >= best.loss else {
            best = (smooth, update)
            rising = 0
            return nil
        }
        guard smooth > divergence * best.loss else {
            rising = 0
            return nil
        }
        rising += 1
        guard rising == options.patience else { return nil }
        return .divergingLoss(update: update, loss: smooth, best: best.loss, bestUpdate: best.update)
    }
}
