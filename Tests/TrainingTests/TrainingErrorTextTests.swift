import Foundation
import TestSupport
import Testing

@testable import W2VTraining

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct TrainingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                TrainingError.noLists,
                TrainingError.badWeight(list: "a.tsv", weight: 0),
                TrainingError.weightedValidation(list: "a.tsv", weight: 2),
                TrainingError.missingMicroBatch(update: 7, number: 2),
                TrainingError.tooFewStates(folder: "run", found: [], wanted: 3),
                TrainingError.tooFewStates(folder: "run", found: ["last"], wanted: 3),
                TrainingError.indivisibleUpdate(subBatches: 7, processes: 2),
                TrainingError.otherTask(folder: "run", task: "fine-tuning", command: "finetune"),
                TrainingError.unsummable(precision: "bf16", reason: "no kernel"),
                TrainingError.missingObjectives(folder: "run", names: ["mine"], known: []),
                TrainingError.missingObjectives(folder: "run", names: ["a", "b"], known: ["c"]),
                TrainingError.unknownLists(run: "run"),
                TrainingError.notFiniteWeights(path: "x", name: "mask_emb"),
                TrainingError.nothingToValidate(list: "a.tsv", reason: "the list is empty"),
                TrainingError.labelsExceedFrames(
                    "a.tsv: 1 of 9 utterances have more labels than fit their frames: a.wav (3 frames, 4 needed)"),
                TrainingError.emptyTranscripts(list: "a.tsv", count: 9),
                TrainingError.noDictionary(file: "dict.ltr.txt"),
                TrainingError.otherData(
                    role: "the dictionary", name: "dict.txt", rank: 1, machine: "b", leader: "a",
                    difference: "it has 3 symbols there"),
                TrainingError.outputNotEmpty(folder: "run"),
                TrainingError.lastIsGone(folder: "run", kept: "update-9", found: ""),
                TrainingError.lastIsGone(folder: "run", kept: nil, found: "best"),
                TrainingError.folderInUse(folder: "run"),
                TrainingError.recipeChanged(folder: "run", differences: ["seed: 1 \u{2192} 2"]),
                TrainingError.dataChanged(folder: "run", then: "9 utterances", now: "9 utterances"),
                TrainingError.dataChanged(folder: "run", then: "9 utterances", now: "8 utterances"),
                TrainingError.damagedState(path: "run/last", reason: "update is missing in it"),
                TrainingError.damagedState(
                    path: "run/last", reason: "update is missing in it", advice: "put it back from a copy"),
                TrainingError.cannotSave(folder: "run/last", reason: "the disk is full", intact: "run/update-9"),
                TrainingError.cannotSave(folder: "run/last", reason: "the disk is full", intact: nil),
                TrainingError.cannotWrite(file: "run/metrics.jsonl", reason: "the disk is full"),
                TrainingError.diverged(update: 0, ranks: [1]),
                TrainingError.diverged(update: 9, ranks: [1, 2]),
                TrainingError.modelDiverged(update: 9, name: "dev.tsv", saved: 4),
                TrainingError.modelDiverged(update: 9, name: "dev.tsv", saved: nil),
                TrainingError.notFinite(update: 9, what: "the loss of objective mine", utterances: ["a.wav"]),
                TrainingError.minimumLossScale(update: 9, scale: 1, what: "the loss", utterances: ["a.wav"]),
                ValidationFailure(failure: TrainingError.noLists, isTheModels: false),
            ],
            declaredIn: ["Train/Training/TrainingError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
