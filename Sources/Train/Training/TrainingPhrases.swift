import W2VBase

extension Phrase {
    /// A training list.
    public static let trainingList = Phrase("the training list", name: "trainingList")
    /// A list of held-out recordings.
    public static let validationList = Phrase("the validation list", name: "validationList")
    /// Advice to give training and validation lists.
    public static let giveLists = Phrase("give a training list and a validation list", name: "giveLists")
    /// The checkpoint whose weights a run starts from.
    public static let startingCheckpoint = Phrase("the checkpoint to start from", name: "startingCheckpoint")
    /// The folder that a run is saved in.
    public static let outputFolder = Phrase("the output folder", name: "outputFolder")
    /// The option for a new output layer.
    public static let newHead = Phrase("a new output layer", name: "newHead")
    /// The option to resume a run.
    public static let resuming = Phrase("resuming", name: "resuming")
    /// The option for the device.
    public static let device = Phrase("the device", name: "device")
    /// The option for the number of sub-batches per update.
    public static let effectiveBatch = Phrase("the effective batch", name: "effectiveBatch")
    /// The option for the epochs after which a job pauses.
    public static let epochsThisJob = Phrase("the epochs of this job", name: "epochsThisJob")
    /// The option for the recipe.
    public static let recipeFile = Phrase("the recipe", name: "recipeFile")
    /// Advice to change a key of the recipe.
    public static let changeKey = Phrase("assign a key to change it", name: "changeKey")

    /// Returns a phrase for a recipe's key with its assigned value.
    public static func assignment(_ text: String) -> Phrase {
        Phrase("the assignment \(text)", values: [text], name: "assignment")
    }

    /// Returns the advice for an update of another size.
    public static func effectiveBatch(of subBatches: Int) -> Phrase {
        Phrase("an effective batch of \(subBatches)", values: ["\(subBatches)"], name: "effectiveBatchOf")
    }

    /// Returns the advice to compute with a number of threads.
    public static func threads(_ count: Int) -> Phrase {
        Phrase("computing with \(count) threads", values: ["\(count)"], name: "threads")
    }

    /// Returns the advice to continue a run of a task.
    public static func continueRun(_ task: String, _ command: String) -> Phrase {
        Phrase("continue it as a \(task) run", values: [command], name: "continueRun")
    }

    /// Returns the advice to fine-tune a pre-trained model.
    public static func fineTuneResult(_ path: String) -> Phrase {
        Phrase("fine-tune it", values: [path], name: "fineTuneResult")
    }

    /// Returns the advice to measure and use a fine-tuned model.
    public static func useResult(_ path: String) -> Phrase {
        Phrase("evaluate it on recordings of a test set", values: [path, path], name: "useResult")
    }

    /// Returns the advice to add a dictionary to a checkpoint.
    public static func addDictionary(to path: String) -> Phrase {
        Phrase("convert it with its dictionary", values: [path], name: "addDictionary")
    }
}
