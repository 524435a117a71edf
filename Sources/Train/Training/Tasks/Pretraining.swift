import Logging
import W2VBackbone
import W2VCorpus
import W2VObjectives
import W2VTorch

extension TrainingJob.Kind {
    /// Representations from recordings alone, with the contrastive objective.
    public static let pretraining = TrainingJob.Kind(
        rawValue: "pretraining", phrase: "pre-training", command: "pretrain", model: .pretraining, readsLabels: false,
        recordsSteps: true, exclusion: "",
        codeBooks: { recipe in
            let model = recipe.model
            return model.quantizeTargets ? (model.latentGroups * model.latentVars, model.latentGroups) : (0, 0)
        },
        isMeant: { $0.objective != ContrastiveConfiguration() }, unreached: { $0.slowTemperature($1, $2) },
        make: { try $0.pretraining(shardedOver: $1, logger: $2) })
}

extension RunPreparation {
    /// Builds a pre-training model, and checks for utterances that are too short for it.
    fileprivate func pretraining(shardedOver shards: ProcessGroup?, logger: Logger) throws -> PretrainingTask {
        let recipe = run.recipe
        guard recipe.masking.time.probability > 0 else {
            throw ConfigurationError("masking.mask_prob is 0, and pre-training predicts masked frames: raise it")
        }
        if run.origin == nil { logger.info("the model starts from random weights (seed \(recipe.seed))") }
        let task = try PretrainingTask(
            recipe, weights: run.origin, device: run.job.device, shardedOver: shards)
        for (index, manifest) in ([manifests.training] + manifests.validation).enumerated() {
            if let sentence = try task.tooShortForMasks(manifest, isLearnedFrom: index == 0) {
                logger.warning("\(sentence)", metadata: ["file": "\(manifest.name)"])
            }
        }
        return task
    }
}

extension Recipe {
    /// Returns a warning about a Gumbel temperature that hardly decreases.
    fileprivate func slowTemperature(_ updates: Int, _ end: String) -> [String] {
        guard model.quantizeTargets else { return [] }
        let schedule = TemperatureSchedule(model.latentTemp)
        let last = schedule.temperature(update: updates)
        let way = schedule.start - schedule.end
        guard way > 0, schedule.start - last < 0.9 * way else { return [] }
        let fall =
            short(last) == short(schedule.start)
            ? "stays at \(short(last))" : "falls from \(short(schedule.start)) to \(short(last)) only"
        return [
            "model.latent_temp is \(model.latentTemp.settingText), and \(end): the Gumbel temperature \(fall), and never gets "
                + "near \(short(schedule.end))"
        ]
    }
}
