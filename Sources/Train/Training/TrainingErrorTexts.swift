import W2VBase

extension TrainingError {
    /// The problem with the run, list or update, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .noLists:
            Explanation("training needs at least one list to learn from and one to validate on", "\(.giveLists)")
        case .badWeight(let list, let weight):
            Explanation(
                "\(Phrase.trainingList) \(list): the weight is \(weight)", "choose one above 0 and at most 1000")
        case .weightedValidation(let list, let weight):
            Explanation(
                "\(Phrase.validationList) \(list): has the weight \(weight), but every held-out utterance counts once",
                "give weights to \(.trainingList) only")
        case .missingMicroBatch(let update, let number):
            Explanation("the data end before micro-batch \(number) of update \(update)")
        case .tooFewStates(let folder, let found, let wanted):
            Explanation(
                "\(folder) holds \(found.count) states (\(found.isEmpty ? "none" : found.joined(separator: ", "))), and "
                    + "\(wanted) are wanted",
                "set checkpoint.keep_last_checkpoints or checkpoint.keep_milestones while training")
        case .indivisibleUpdate(let wanted, let processes):
            Explanation(
                "an effective batch of \(wanted) sub-batches cannot be shared equally by \(processes) processes",
                "choose \(Self.multiples(of: processes, near: wanted))")
        case .otherTask(let folder, let task, let command):
            Explanation("\(folder) holds a \(task) run", "\(.continueRun(task, command)), or choose \(.otherOutput)")
        case .unsummable(let precision, let reason):
            Explanation(
                "distributed.reduce_precision is \(precision), and this LibTorch cannot sum such numbers over processes "
                    + "(\(reason))", "set it to fp32")
        case .missingObjectives(let folder, let names, let known):
            Explanation(
                "\(folder) was trained by \(names.count == 1 ? "objective" : "objectives") \(names.joined(separator: ", ")), "
                    + "and this program has "
                    + (known.isEmpty ? "no added objective" : "only \(known.joined(separator: ", "))"),
                "resume it with the program that registers \(names.count == 1 ? "it" : "them")")
        case .unknownLists(let run): Explanation("\(run) does not say which lists it was trained on")
        case .notFiniteWeights(let path, let name):
            Explanation(
                "\(path): its \(name) has values that are infinite or not numbers, since it is damaged or had diverged",
                "start from another checkpoint")
        case .nothingToValidate(let list, let reason):
            Explanation("\(list): there is nothing to validate on: \(reason)")
        case .labelsExceedFrames(let sentence): Explanation(sentence, "leave them out, or set ctc.zero_infinity=true")
        case .emptyTranscripts(let list, let count):
            Explanation(
                "\(list): all \(count) transcripts are empty, so there is nothing to learn", "\(.spellTranscripts)")
        case .noDictionary(let file):
            Explanation("\(file): there is no dictionary beside the training manifest", "\(.makeDictionary)")
        case .otherData(let role, let name, let rank, let machine, let leader, let difference):
            Explanation(
                "\(role) \(name) of rank \(rank) (\(machine)) is not that of rank 0 (\(leader)): \(difference)",
                "give every machine the same files")
        default: runExplanation
        }
    }

    /// The problem with a run's folder, its states or its updates.
    private var runExplanation: Explanation {
        switch self {
        case .outputNotEmpty(let folder):
            Explanation("\(folder) is not empty", "\(.resume), or choose \(.otherOutput)")
        case .lastIsGone(let folder, let kept?, _):
            Explanation(
                "\(folder) has no last/ to resume from, but \(kept) was kept",
                "rename it to last to resume from there, or choose \(.otherOutput)")
        case .lastIsGone(let folder, nil, let found):
            Explanation(
                "\(folder) has no last/ to resume from, but \(found) of an earlier run",
                "choose \(.otherOutput), or empty the folder to start a new run in it")
        case .folderInUse(let folder):
            Explanation(
                "another process is training in \(folder)", "wait for it, stop it, or choose \(.otherOutput)")
        case .recipeChanged(let folder, let differences):
            Explanation(
                "\(folder) was begun with another recipe (\(differences.joined(separator: "; ")))",
                "resume with the same values, or start in \(.otherOutput)")
        case .dataChanged(let folder, let then, let now) where then == now:
            Explanation(
                "\(folder) was begun on \(then) as well, but with other paths, lengths, weights or labels, or in another "
                    + "order", "resume with the list as it was, or start in \(.otherOutput)")
        case .dataChanged(let folder, let then, let now):
            Explanation(
                "\(folder) was begun on \(then), and this is \(now)",
                "resume with \(.trainingList) as it was, or start in \(.otherOutput)")
        case .damagedState(let path, let reason, let advice):
            Explanation("\(path) cannot be resumed: \(reason)", advice)
        case .cannotSave(let folder, let reason, let intact?):
            Explanation(
                "the state could not be saved in \(folder): \(reason); \(intact), saved before, is intact",
                "make room, or correct the folder's permissions, and \(.resume)")
        case .cannotSave(let folder, let reason, nil):
            Explanation(
                "the state could not be saved in \(folder): \(reason); nothing was saved before",
                "make room, or correct the folder's permissions, and start again")
        case .cannotWrite(let file, let reason):
            Explanation(
                "\(file) cannot be written: \(reason); saved states are untouched",
                "make room, or correct its permissions")
        case .diverged(0, let ranks):
            Explanation(
                "rank \(Self.list(ranks)) begins with other weights than rank 0",
                "give every machine the same checkpoint (\(.startingCheckpoint), or the output folder to be resumed) and the "
                    + "same libraries")
        case .diverged(let update, let ranks):
            Explanation(
                "after update \(update) the parameters of rank \(Self.list(ranks)) differ from those of rank 0: memory or a "
                    + "device may be faulty, or the machines have different libraries",
                "\(.resume) from the last checkpoint")
        case .modelDiverged(let update, let name, let saved):
            Explanation(
                "training diverged at or before update \(update): the model's outputs on \(name) are NaN or infinite, so it "
                    + "is not saved",
                "lower optimization.lr, warm up longer (optimization.warmup_updates), or set optimization.clip_norm, and start "
                    + "again\(saved.map { ", from an earlier checkpoint if you like (last was saved after update \($0))" } ?? "")"
            )
        case .notFinite(let update, let what, let utterances):
            Explanation(
                "update \(update): \(what) is infinite or not a number; its utterances were "
                    + utterances.joined(separator: ", "),
                "listen to them, lower optimization.lr, or set optimization.clip_norm")
        case .minimumLossScale(let update, let scale, let what, let utterances):
            Explanation(
                "update \(update): \(what) still overflows although the loss scale has come down to its minimum, \(scale); the "
                    + "loss is probably exploding, and its utterances were \(utterances.joined(separator: ", "))",
                "lower optimization.lr, set optimization.clip_norm, make updates of more audio, or use precision.mode=bf16"
            )
        default: Explanation("\(kind)")
        }
    }

    private static func list(_ ranks: [Int]) -> String { ranks.map(String.init).joined(separator: ", ") }

    private static func multiples(of processes: Int, near wanted: Int) -> String {
        [wanted / processes * processes, (wanted / processes + 1) * processes].filter { $0 > 0 }.map(String.init)
            .joined(separator: " or ")
    }
}
