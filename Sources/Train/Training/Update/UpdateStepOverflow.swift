import Logging
import W2VObjectives
import W2VTorch

// Updates whose loss or gradients are NaN or infinite: skipped where a smaller loss scale may help, else an error that
// names the culprit.

extension UpdateStep {
    /// Lowers the loss scale, or gives up.
    ///
    /// - Parameter firstOverflow: Finds the first parameter whose gradient is NaN or infinite: group and parameter.
    func skip(
        _ update: Int, _ sums: Statistics, _ utterances: [Int],
        firstOverflow: () throws -> (group: Int, parameter: Int)?
    ) throws -> Statistics {
        guard let before = scaler?.scale else {
            throw TrainingError.notFinite(
                update: update, what: try culprit(sums, firstOverflow), utterances: names(utterances))
        }
        guard scaler?.overflow() == true, let now = scaler?.scale else {
            throw TrainingError.minimumLossScale(
                update: update, scale: precision.minLossScale, what: try culprit(sums, firstOverflow),
                utterances: names(utterances))
        }
        logger.notice(
            """
            update \(update): overflow at loss scale \(before.settingText), the update is skipped\
            \(now == before ? "" : "; the loss scale is now \(now.settingText)")
            """, metadata: ["update": .stringConvertible(update), "loss_scale": .stringConvertible(now)])
        var kept = sums
        kept.skippedUpdates = 1
        guard !sums.loss.isFinite else { return kept }
        // An infinite loss would hide the others in the average.
        kept = Statistics()
        (kept.updates, kept.skippedUpdates) = (1, 1)
        (kept.samples, kept.frames, kept.maskedFrames) = (sums.samples, sums.frames, sums.maskedFrames)
        return kept
    }

    /// Finds the first value that is NaN or infinite: the loss of an added objective, or a gradient.
    private func culprit(
        _ sums: Statistics, _ firstOverflow: () throws -> (group: Int, parameter: Int)?
    ) throws -> String {
        if !sums.loss.isFinite, let added = addedCulprit(sums.metrics) { return "the loss of objective \(added)" }
        guard let found = try firstOverflow() else { return "the loss" }
        return "the gradient of \(task.groups[found.group].parameters.names[found.parameter])"
    }

    /// Finds the first parameter whose gradient is NaN or infinite.
    func firstOverflow() throws -> (group: Int, parameter: Int)? {
        for (number, group) in task.groups.enumerated() {
            try group.parameters.gatherGradients()
            for index in group.parameters.names.indices
            where try !group.parameters.view(index, of: group.parameters.gradients).isFinite() {
                return (number, index)
            }
        }
        return nil
    }

    /// Finds the added objectives whose loss is NaN or infinite while the leading one's is finite.
    private func addedCulprit(_ metrics: MetricSums) -> String? {
        func isBroken(_ metric: String) -> Bool { metrics.value(metric)?.isFinite == false }
        let added = objectives.map { (name: $0, metrics: ObjectiveRegistry.find($0)?.metrics.map(\.name) ?? []) }
        let theirs = Set(added.flatMap(\.metrics))
        guard !metrics.names.contains(where: { isBroken($0) && !theirs.contains($0) }) else { return nil }
        var broken = added.filter { $0.metrics.contains(where: isBroken) }
        // An objective may report nothing that reveals its loss; the leading one of pre-training does.
        let isLeadingFinite = metrics.value(ContrastiveMetrics.contrastive.name)?.isFinite == true
        if broken.isEmpty, isLeadingFinite { broken = added }
        return broken.isEmpty ? nil : broken.map(\.name).joined(separator: ", ")
    }

    private func names(_ utterances: [Int]) -> [String] {
        var names = utterances.prefix(10).map { data.identifier($0) }
        if utterances.count > 10 { names.append("and \(utterances.count - 10) more") }
        if let cluster { names.append("those of rank \(cluster.rank) among \(cluster.size) processes") }
        return names
    }
}
