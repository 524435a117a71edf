import Foundation
import W2VBase
import W2VFetching

/// Returns the place of a model that is named on the command line: a path, or a name on the hub.
///
/// An existing file or folder is what is meant. A name of the form `organization/model` or `organization/model@revision`
/// is looked up in the user's cache, and fetched into it the first time; the download is reported on standard error.
///
/// - Parameter text: The argument.
/// - Throws: `CommandError` for a path that does not exist, `FetchError` for a model that cannot be fetched.
func modelURL(_ text: String) throws -> URL {
    let (url, manager) = (fileURL(text), FileManager.default)
    if manager.fileExists(atPath: url.path) { return url }
    guard let reference = HubReference(text) else {
        let nearest = PublicModel.nearest(to: text).map { model -> Advice in
            "a public model of such a name is downloaded by wav2vec2 checkpoint fetch \(model.name)"
        }
        throw CommandError(
            .input, "\(text): there is no such file or folder",
            nearest ?? "give a checkpoint's folder, a .pt file, or a name on the hub (organization/model)")
    }
    // A mistyped path in an existing folder must not be looked up on the hub.
    let isWellKnown = PublicModel.all.contains { $0.name == reference.name }
    guard isWellKnown || !TranscriptionInputs.isFolder(reference.organization) else {
        throw CommandError(
            .input, "\(text): there is no such file or folder in \(reference.organization)",
            "check the path; a model on the hub is fetched by wav2vec2 checkpoint fetch \(text)")
    }
    return try PublicModelFetcher().folder(of: reference)
}

/// Fetches models on the hub into the user's cache, with the hub's own environment variables.
struct PublicModelFetcher {
    private let environment: [String: String]
    /// The cache.
    let cache: ModelCache

    /// Uses the user's cache.
    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.environment = environment
        cache = ModelCache(environment: environment)
    }

    /// Returns the repository of a model.
    ///
    /// - Parameter endpoint: The address of the hub or of a mirror, if one was given.
    func repository(_ reference: HubReference, endpoint: String? = nil) -> HubRepository {
        HubRepository(
            reference.name, revision: reference.revision,
            endpoint: endpoint ?? environment["HF_ENDPOINT"].flatMap { $0.isEmpty ? nil : $0 }
                ?? HubRepository.publicEndpoint, token: environment["HF_TOKEN"])
    }

    /// Whether `HF_HUB_OFFLINE` forbids asking the hub.
    var isOffline: Bool {
        ["1", "true", "yes", "on"].contains(environment["HF_HUB_OFFLINE"]?.lowercased() ?? "")
    }

    /// Refuses to ask the hub if `HF_HUB_OFFLINE` forbids it.
    ///
    /// - Throws: `FetchError.hubUnreachable`.
    func requireOnline(_ repository: HubRepository) throws {
        guard isOffline else { return }
        throw FetchError.hubUnreachable(
            name: repository.name, endpoint: repository.endpoint, reason: "HF_HUB_OFFLINE is set")
    }

    /// Returns a model's folder in the cache, and fetches the model if it is not there.
    ///
    /// - Throws: `FetchError`.
    func folder(of reference: HubReference) throws -> URL {
        if let found = cache.find(reference) {
            Console.log.debug("\(reference.name): \(found.path)", metadata: ["file": "\(found.path)"])
            return found
        }
        let repository = self.repository(reference)
        try requireOnline(repository)
        // Ctrl-C may simply end the program: nothing else is running yet, and partial files are kept.
        let monitor = FetchMonitor(
            report: { progress in Console.progress("\(progress)") }, logger: Console.logger("fetching"))
        var options = FetchOptions()
        options.agent = "wav2vec2/\(Program.version)"
        // The user is waiting: without a network the command should fail soon.
        (options.connectTimeout, options.rounds) = (.seconds(10), 3)
        let model = try cache.fetch(repository, with: Downloader(options: options), monitor: monitor) {
            content, folder, missing in Self.announce(reference.name, content, folder, missing)
        }
        if !model.files.isEmpty {
            Console.log.info(
                "\(reference.name): downloaded; from now on no network is needed",
                metadata: ["file": "\(model.folder.path)"])
        }
        return model.folder
    }

    /// Reports what will be fetched, under which license, and where it will be stored.
    static func announce(_ name: String, _ content: HubRepository.Listing, _ folder: URL, _ missing: Int) {
        let part = missing < content.bytes ? ", of which \(ReadableText.size(missing)) are missing" : ""
        Console.log.info(
            """
            \(name): downloading \(ReadableText.size(content.bytes))\(part), license \(content.license ?? "not stated"), \
            commit \(content.commit.prefix(12)), into \(folder.path)
            """,
            metadata: [
                "model": "\(name)", "bytes": .stringConvertible(content.bytes), "file": "\(folder.path)",
                "license": "\(content.license ?? "")",
            ])
    }
}
