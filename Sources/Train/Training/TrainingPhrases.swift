import W2VBase

extension Phrase {
    /// A list of recordings to learn from.
    public static let trainingList = Phrase("the training list", name: "trainingList")
    /// A list of held-out recordings.
    public static let validationList = Phrase("the validation list", name: "validationList")
    /// How to say what to learn from and what to validate on.
    public static let giveLists = Phrase("give a training list and a validation list", name: "giveLists")
    /// The checkpoint whose weights a run starts from.
    public static let startingCheckpoint = Phrase("the checkpoint to start from", name: "startingCheckpoint")
    /// Where a run is saved.
    public static let outputFolder = Phrase("the output folder", name: "outputFolder")
    /// Whether a recognizer starts with another output layer.
    public static let newHead = Phrase("a new output layer", name: "newHead")
    /// Whether a run is resumed.
    public static let resuming = Phrase("resuming", name: "resuming")
    /// Where the model is.
    public static let device = Phrase("the device", name: "device")
    /// The sub-batches of an update.
    public static let effectiveBatch = Phrase("the effective batch", name: "effectiveBatch")
    /// The epochs after which a job pauses.
    public static let epochsThisJob = Phrase("the epochs of this job", name: "epochsThisJob")
    /// Where the recipe comes from.
    public static let recipeFile = Phrase("the recipe", name: "recipeFile")
    /// How to change a key of the recipe.
    public static let changeKey = Phrase("assign a key to change it", name: "changeKey")

    /// A key of the recipe with the value that it is given.
    public static func assignment(_ text: String) -> Phrase {
        Phrase("the assignment \(text)", values: [text], name: "assignment")
    }

    /// How to have updates of another size.
    public static func effectiveBatch(of subBatches: Int) -> Phrase {
        Phrase("an effective batch of \(subBatches)", values: ["\(subBatches)"], name: "effectiveBatchOf")
    }

    /// How to compute with some number of threads.
    public static func threads(_ count: Int) -> Phrase {
        Phrase("computing with \(count) threads", values: ["\(count)"], name: "threads")
    }

    /// How to continue a run of a task.
    public static func continueRun(_ task: String, _ command: String) -> Phrase {
        Phrase("continue it as a \(task) run", values: [command], name: "continueRun")
    }

    /// How to put a dictionary into a checkpoint.
    public static func addDictionary(to path: String) -> Phrase {
        Phrase("convert it with its dictionary", values: [path], name: "addDictionary")
    }
}
