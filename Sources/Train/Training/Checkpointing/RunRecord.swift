import Foundation
import W2VBackbone
import W2VBase

/// What a run was made from, and the commands that trained it: the file `run.json` in its folder.
///
/// With it, the folder alone is enough to continue the run, and to say later where its weights come from.
public struct RunRecord: Codable, Sendable, Equatable {
    /// The file's name.
    public static let name = "run.json"
    private static let newestFormat = 1

    /// A manifest.
    public struct List: Codable, Sendable, Equatable {
        /// The absolute path.
        public var path: String
        /// Average number of times an epoch draws each of its utterances.
        public var weight: Double

        init(_ manifest: WeightedManifest) {
            (path, weight) = (manifest.url.standardizedFileURL.path, manifest.weight)
        }

        /// The manifest for a job.
        public var manifest: WeightedManifest { WeightedManifest(URL(fileURLWithPath: path), weight: weight) }
    }

    /// The checkpoint that the weights were taken from.
    public struct Origin: Codable, Sendable, Equatable {
        /// The path or name in the command.
        public var given: String
        /// The absolute path.
        public var path: String
        /// The fingerprint of its backbone's weights; `nil` if it was not computed.
        public var fingerprint: String?
    }

    /// One job: a command, and the state that it began with.
    public struct Job: Codable, Sendable, Equatable {
        /// The command's words after the program's name; empty if a program without a command line trains.
        public var arguments: [String]
        /// The folder in which it was given.
        public var folder: String
        /// The program's version.
        public var version: String?
        /// The device.
        public var device: String
        /// Number of CPU threads; `nil` on a GPU.
        public var threads: Int?
        /// Number of CPU threads that the command asked for; `nil` if it left the choice to the program.
        public var requestedThreads: Int?
        /// Number of processes.
        public var processes: Int
        /// The update after which it began.
        public var afterUpdate: Int
        /// The recipe's keys that it changed, each as `key then → now`.
        public var changes: [String]
    }

    private var formatVersion = newestFormat
    /// The kind of training, by its name for scripts.
    public var task: String
    /// The recipe's name or file in the command; `nil` if unknown.
    public var recipeName: String?
    /// The requested value of every key of the recipe.
    public var recipe: [String: String]
    /// The values in the recipe's file of keys that were assigned another value.
    public var replaced: [String: String]
    /// The training manifests.
    public var train: [List]
    /// The held-out manifests.
    public var valid: [List]
    /// The checkpoint that the weights were taken from; `nil` for random weights.
    public var origin: Origin?
    /// Whether fine-tuning started with a new output layer by request.
    public var newHead: Bool
    /// The jobs, in their order.
    public var jobs: [Job]

    /// Makes the record of a run that has no earlier one.
    init(_ job: TrainingJob, origin: Origin?) {
        task = job.kind.rawValue
        (recipe, replaced, train, valid) = ([:], [:], [], [])
        self.origin = origin
        newHead = job.newHead
        jobs = []
    }

    /// Records what a job asks for, in place of what earlier ones did.
    mutating func update(with job: TrainingJob) {
        recipeName = job.provenance.recipe ?? recipeName
        recipe = job.recipe.values
        replaced = (job.writtenRecipe ?? job.recipe).values.filter { recipe[$0.key] != $0.value }
        (train, valid) = (job.train.map(List.init), job.valid.map(List.init))
    }

    // MARK: Files

    /// Reads a run's record.
    ///
    /// Runs of earlier versions have none; what their last state knows takes its place.
    ///
    /// - Parameter folder: The run's folder.
    /// - Returns: The record; `nil` if the folder holds no run.
    /// - Throws: ``TrainingError/damagedState(path:reason:advice:)``.
    public static func read(from folder: URL) throws -> RunRecord? {
        let file = folder.appendingPathComponent(name)
        guard let data = FileManager.default.contents(atPath: file.path) else { return try ofLastState(in: folder) }
        do {
            return try VersionedJSON.decode(RunRecord.self, from: data, in: file, newest: newestFormat)
        } catch is DecodingError {
            throw TrainingError.damagedState(
                path: file.path, reason: "it is damaged",
                advice: "remove it, and give the whole command once more")
        }
    }

    private static func ofLastState(in folder: URL) throws -> RunRecord? {
        guard let place = RunFolder(url: folder).newestState else { return nil }
        let state = try TrainingState.read(place)
        guard let train = state.train, let valid = state.valid else { return nil }
        let task = TrainingJob.Kind.all.first { kind in kind.readsLabels == (state.newHead != nil) }
        var record = RunRecord(
            task: task?.rawValue ?? "", recipe: state.recipe.merging(state.overridden ?? [:]) { $1 },
            replaced: state.replaced ?? [:],
            train: train.map { List(WeightedManifest(parsing: $0)) },
            valid: valid.map { List(WeightedManifest(parsing: $0)) }, newHead: state.newHead ?? false, jobs: [])
        record.origin = state.from.map { Origin(given: $0, path: $0, fingerprint: nil) }
        return record
    }

    private init(
        task: String, recipe: [String: String], replaced: [String: String], train: [List], valid: [List],
        newHead: Bool, jobs: [Job]
    ) {
        (self.task, self.recipe, self.replaced) = (task, recipe, replaced)
        (self.train, self.valid, self.newHead, self.jobs) = (train, valid, newHead, jobs)
    }

    /// Writes the record.
    ///
    /// - Throws: ``TrainingError/cannotWrite(file:reason:)``.
    func write(to folder: URL) throws {
        let file = folder.appendingPathComponent(Self.name)
        do {
            let json = try VersionedJSON.encode(self)
            try AtomicFile.write(to: file) { try $0.append(json + Data("\n".utf8)) }
        } catch {
            throw TrainingError.cannotWrite(file: file.path, reason: systemReason(error))
        }
    }

    // MARK: Recipes

    /// The recipe that the run asks for.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for a value that this version does not understand.
    public func requestedRecipe() throws -> Recipe { try Recipe(values: recipe) }

    /// The recipe as in its file, before values were assigned.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` for a value that this version does not understand.
    public func writtenRecipe() throws -> Recipe { try Recipe(values: recipe.merging(replaced) { $1 }) }
}

extension Recipe {
    /// Makes a recipe of values; absent keys keep their defaults.
    fileprivate init(values: [String: String]) throws {
        self.init()
        // Objectives come first: their sections have keys only once they are named.
        for key in values.keys.sorted(by: { ($0 != "objectives" ? 1 : 0, $0) < ($1 != "objectives" ? 1 : 0, $1) }) {
            try Self.table.set(key, to: values[key] ?? "", in: &self)
        }
    }
}

extension RunPreparation {
    /// Records the job in the run's folder.
    ///
    /// - Parameter processes: Number of processes that train together.
    /// - Throws: ``TrainingError``, `CheckpointError`.
    func record(processes: Int) throws {
        let job = run.job
        let earlier = try saved == nil ? nil : RunRecord.read(from: place.folder.url)
        var record = try earlier ?? RunRecord(job, origin: saved == nil ? newOrigin() : nil)
        record.update(with: job)
        record.jobs.append(
            RunRecord.Job(
                arguments: job.provenance.arguments, folder: FileManager.default.currentDirectoryPath,
                version: job.provenance.version, device: job.device.description, threads: start.state.threads,
                requestedThreads: job.provenance.requestedThreads, processes: processes,
                afterUpdate: start.state.update,
                changes: (saved?.recipe.changes ?? []).map(\.description)))
        try record.write(to: place.folder.url)
    }

    private func newOrigin() throws -> RunRecord.Origin? {
        guard let origin = run.origin else { return nil }
        let path = origin.url.standardizedFileURL.path
        return RunRecord.Origin(
            given: run.job.provenance.origin ?? path, path: path, fingerprint: try origin.fingerprint())
    }
}
