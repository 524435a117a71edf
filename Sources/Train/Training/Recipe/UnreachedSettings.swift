import Foundation
import W2VBackbone
import W2VObjectives

extension Recipe {
    /// Returns warnings about phases and events that a run will not reach, each with the key to change.
    ///
    /// Keys that are harmless in short runs are named only if they differ from the default.
    ///
    /// - Parameters:
    ///   - task: The kind of training; keys that do not concern it are left out.
    ///   - updates: Number of updates of the run, by `max_update` or `max_epoch`, whichever comes first.
    ///   - epochs: Number of epochs that these take, the last one possibly in part.
    func unreached(_ task: TrainingJob.Kind, updates: Int, epochs: Int) -> [String] {
        let end = "the run ends after update \(updates)"
        return task.unreached(self, updates, end) + unreachedRate(updates, end) + unreachedAverage(updates, end)
            + unreachedEvents(updates, epochs, end)
    }

    /// Returns warnings about the parts of the learning-rate schedule that are not reached: peak, decay, or end of
    /// decay.
    private func unreachedRate(_ updates: Int, _ end: String) -> [String] {
        let schedule = optimization.learningRate
        let maxUpdate = optimization.maxUpdate
        let last = schedule.rate(update: updates, maxUpdate: maxUpdate)
        let (warmup, hold) = (schedule.warmupUpdates, schedule.holdUpdates)
        guard schedule.peak > 0 else { return ["optimization.lr is 0: no weight learns anything"] }
        // Update u has the policy's value at u − 1.
        if warmup > max(1, updates - 1) {
            return [
                "optimization.warmup_updates is \(warmup), and \(end): the learning rate only rises, to \(short(last)) of "
                    + "\(short(schedule.peak))"
            ]
        }
        guard schedule.policy != .constant else { return [] }
        if warmup + hold >= max(1, updates - 1) {
            return [
                "optimization.warmup_updates and hold_updates are \(warmup) and \(hold), and \(end): the learning rate never "
                    + "falls from \(short(schedule.peak))"
            ]
        }
        // The last update is one step before the schedule's end.
        let least = schedule.value(step: max(1, updates - 1), maxUpdate: updates)
        let floor = schedule.finalScale * schedule.peak
        if updates < maxUpdate, last > floor + 0.1 * (schedule.peak - floor), last > 1.01 * least {
            return [
                "optimization.max_update is \(maxUpdate), which the learning rate falls by, and \(end), as "
                    + "optimization.max_epoch says: the rate ends at \(short(last)) of \(short(schedule.peak))"
            ]
        }
        if schedule.policy == .exponential, schedule.exponentialDecay != nil, floor > 0, last > 1.1 * floor {
            return [
                "optimization.lr_exp_decay is \(schedule.exponentialDecay?.settingText ?? "off"), and \(end): the learning rate "
                    + "falls to \(short(last)) only, and not to final_lr_scale's \(short(floor))"
            ]
        }
        return []
    }

    private func unreachedAverage(_ updates: Int, _ end: String) -> [String] {
        let rest = pow(optimization.ema, Double(updates))
        guard optimization.ema > 0, rest > 0.5 else { return [] }
        return [
            "optimization.ema is \(optimization.ema.settingText), and \(end): \(Int((rest * 100).rounded())) % of the averaged "
                + "weights are still those that the run began with"
        ]
    }

    /// Returns warnings about events after an update or epoch that is not reached.
    private func unreachedEvents(_ updates: Int, _ epochs: Int, _ end: String) -> [String] {
        var sentences: [String] = []
        func look(_ key: String, _ interval: Interval?, _ meaning: String) {
            switch interval {
            case .updates(let count) where count > updates, .epochs(let count) where count > epochs:
                sentences.append("\(key) is \(interval?.settingText ?? "off"), and \(end): \(meaning)")
            default: break
            }
        }
        look("validation.every", validation.every, "the held-out recordings are looked at once, at the end")
        if !checkpoint.noSave {
            look("checkpoint.save_every", checkpoint.saveEvery, "the state is saved once, at the end")
            switch checkpoint.keepMilestones {
            case .every(let interval): look("checkpoint.keep_milestones", interval, "no milestone is kept")
            case .updates(let milestones):
                let missed = milestones.filter { $0 > updates }.map(String.init)
                if !missed.isEmpty {
                    sentences.append(
                        "checkpoint.keep_milestones has \(missed.joined(separator: ", ")), and \(end): "
                            + (missed.count == milestones.count ? "no milestone is kept" : "these are never saved"))
                }
            case nil: break
            }
        }
        let usual = Recipe()
        for (key, count, standard, meaning) in [
            ("logging.log_every", logging.logEvery, usual.logging.logEvery, "a single line is logged, at the end"),
            (
                "logging.histogram_every", logging.tensorboard ? logging.histogramEvery : nil,
                usual.logging.histogramEvery, "no histogram is written"
            ),
            ("watch.patience", watch.patience, usual.watch.patience, "nothing that looks wrong is ever reported"),
        ] as [(String, Int?, Int?, String)] {
            guard let count, count > updates, count != standard else { continue }
            sentences.append("\(key) is \(count), and \(end): \(meaning)")
        }
        return sentences
    }
}
