import Foundation
import W2VBase

/// A user's cache of public models: each is fetched once, and then used without the network.
///
/// A model's folder has one folder for each fetched commit, which is complete if it has a file `.complete`, and the
/// commits of fetched branches and tags in `refs/`.
public struct ModelCache: Sendable {
    /// The cache's folder, which need not exist.
    public let folder: URL

    /// Uses a folder.
    public init(folder: URL) { self.folder = folder }

    /// The user's cache: `wav2vec2/models` in `XDG_CACHE_HOME`, by default in `~/.cache`.
    ///
    /// - Parameter environment: The environment's variables.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        // A relative path would mean another folder in every folder, so the specification says to ignore it.
        let chosen = environment["XDG_CACHE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        let base =
            chosen.map { URL(fileURLWithPath: $0) }
            ?? environment["HOME"].map { URL(fileURLWithPath: $0).appendingPathComponent(".cache") }
            ?? FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache")
        folder = base.appendingPathComponent("wav2vec2/models", isDirectory: true)
    }

    /// The content of a model's folder after fetching.
    public struct Model: Equatable, Sendable {
        /// The folder, to be read as a checkpoint.
        public var folder: URL
        /// The commit; its first twelve digits if the model was already in the cache.
        public var commit: String
        /// The files; empty if the model was already in the cache.
        public var files: [FetchedFile]
    }

    /// Finds a model that was fetched completely; nothing is asked of the network.
    ///
    /// - Parameter reference: The model.
    /// - Returns: Its folder; nil if it has to be fetched.
    public func find(_ reference: HubReference) -> URL? {
        let ref = refFile(reference)
        let text = (try? String(contentsOf: ref, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
        let place = commitFolder(reference.name, text ?? reference.revision)
        return FileManager.default.fileExists(atPath: marker(place).path) ? place : nil
    }

    /// The folder for a model in fairseq's form.
    public var fairseqFolder: URL { folder.appendingPathComponent("fairseq", isDirectory: true) }

    /// Fetches a model, or what of it is not in the cache yet.
    ///
    /// A second process that wants the same model waits for the first one, and uses what that has fetched.
    ///
    /// - Parameters:
    ///   - repository: The model's repository.
    ///   - renews: Whether the hub is asked for a newer commit even if the model is in the cache.
    ///   - downloader: Sends the requests.
    ///   - monitor: Receives progress, and can stop the transfer, keeping the partial files.
    ///   - begin: Called with the repository's content, the folder and the number of missing bytes before files are
    ///     fetched.
    /// - Throws: `FetchError`.
    public func fetch(
        _ repository: HubRepository, renews: Bool = false, with downloader: Downloader,
        monitor: FetchMonitor = FetchMonitor(),
        begin: (HubRepository.Listing, URL, _ missing: Int) throws -> Void = { _, _, _ in }
    ) throws -> Model {
        let reference = HubReference(name: repository.name, revision: repository.revision)
        let home = modelFolder(reference.name)
        try makeFolder(home)
        let lock = try self.lock(home, for: repository.name, monitor)
        defer { withExtendedLifetime(lock) {} }
        if !renews, let found = find(reference) {
            return Model(folder: found, commit: found.lastPathComponent, files: [])
        }
        let content = try repository.list(into: home, with: downloader, monitor: monitor)
        let place = commitFolder(reference.name, content.commit)
        try makeFolder(place)
        let files = content.files.map { file in
            var file = file
            file.destination = place.appendingPathComponent(file.destination.lastPathComponent)
            return file
        }
        let missing = files.filter { !FileManager.default.fileExists(atPath: $0.destination.path) }
        let bytes = missing.reduce(0) { $0 + ($1.size ?? 0) }
        try begin(content, place, bytes)
        try DiskSpace.require(bytes, in: place)
        let fetched = try files.map { try downloader.fetch($0, monitor: monitor) }
        // The commit's own name needs no reference.
        let written = [(marker(place), "")] + (isCommit(reference) ? [] : [(refFile(reference), content.commit + "\n")])
        for (file, text) in written {
            try makeFolder(file.deletingLastPathComponent())
            do {
                try AtomicFile.write(to: file) { try $0.append(Data(text.utf8)) }
            } catch let error as FileWriteError {
                throw FetchError.notWritten(error)
            }
        }
        return Model(folder: place, commit: content.commit, files: fetched)
    }

    // MARK: Places

    private func modelFolder(_ name: String) -> URL {
        folder.appendingPathComponent(name, isDirectory: true)
    }

    private func commitFolder(_ name: String, _ commit: String) -> URL {
        modelFolder(name).appendingPathComponent(String(commit.prefix(12)), isDirectory: true)
    }

    private func marker(_ place: URL) -> URL { place.appendingPathComponent(".complete") }

    private func isCommit(_ reference: HubReference) -> Bool {
        reference.revision.utf8.count == 40 && reference.revision.allSatisfy(\.isHexDigit)
    }

    private func refFile(_ reference: HubReference) -> URL {
        // A branch may have a slash in its name.
        let name = reference.revision.replacing("%", with: "%25").replacing("/", with: "%2F")
        return modelFolder(reference.name).appendingPathComponent("refs", isDirectory: true)
            .appendingPathComponent(name)
    }

    private func makeFolder(_ folder: URL) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw FetchError.unwritable(file: folder.path, reason: SystemReason.of(error))
        }
    }

    private func lock(_ folder: URL, for name: String, _ monitor: FetchMonitor) throws -> FolderLock {
        var isWaiting = false
        while true {
            do {
                return try FolderLock(folder)
            } catch FolderLock.Failure.inUse {
                if !isWaiting { monitor.logger.info("\(name): another process is fetching it; waiting for it") }
                isWaiting = true
                try monitor.stopIfAsked(at: name)
                Thread.sleep(forTimeInterval: 0.1)
            } catch FolderLock.Failure.unopened(let reason) {
                throw FetchError.unwritable(file: folder.path, reason: reason)
            }
        }
    }
}
