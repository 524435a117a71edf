import Synchronization

extension ModelTask {
    private static let registry = Mutex<[ModelTask]>([.pretraining, .ctc, .encoder])

    /// Adds a task, or replaces the one of the same name.
    ///
    /// May be called from any thread; checkpoints that are read afterward know the task.
    public static func register(_ task: ModelTask) {
        registry.withLock { tasks in
            tasks.removeAll { $0 == task }
            tasks.append(task)
        }
    }

    /// All tasks, in order of registration.
    public static var registered: [ModelTask] { registry.withLock { $0 } }

    /// Returns the task of a name, as in `config.json`; nil if there is none.
    public static func named(_ name: String) -> ModelTask? { registered.first { $0.name == name } }

    /// Returns the tasks whose settings the description of a model has.
    static func describing(_ task: ModelTask) -> [ModelTask] {
        registered.filter { $0.describesEveryModel || $0 == task }
    }
}
