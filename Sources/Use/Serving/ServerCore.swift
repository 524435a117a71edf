import Foundation
import Synchronization
import W2VInference
import W2VRecognition

/// The state that all requests to a server share.
final class ServerCore: Sendable {
    private struct State {
        var isReady = false
        var isStopping = false
        var access: AccessRules
    }

    let options: ServerOptions
    /// The models; there is at least one.
    let store: ModelStore
    /// The queue of each model's long recordings, which run one at a time, alternating with the short ones.
    let turnstiles: [Turnstile]
    let uploads: UploadFolder
    let metrics = Metrics()
    let room: WaitingRoom
    let began = ContinuousClock.now
    /// The time when the server was created, in seconds since 1970.
    let startTime = Int(Date().timeIntervalSince1970)
    private let report: @Sendable (ServerEvent) -> Void
    private let state: Mutex<State>
    /// Separate threads, so that small uploads do not wait for large ones.
    private let quickWork = BlockingWork("uploads", threads: max(2, ProcessInfo.processInfo.activeProcessorCount))
    private let slowWork = BlockingWork("large uploads", threads: 1)

    init(
        _ options: ServerOptions, models: [ServedModel], report: @escaping @Sendable (ServerEvent) -> Void
    ) {
        self.options = options
        store = ModelStore(models, limit: options.maximumModelBytes) { report(.model($0)) }
        turnstiles = models.map { _ in Turnstile() }
        uploads = UploadFolder(in: options.temporaryFolder)
        // Strict until the listening address is known.
        state = Mutex(State(access: AccessRules(options, isLocal: true)))
        self.report = report
        room = WaitingRoom(most: options.maximumWaiting)
    }

    var uptime: Double { (ContinuousClock.now - began) / .seconds(1) }
    var isStopping: Bool { state.withLock { $0.isStopping } }
    var isReady: Bool { state.withLock { $0.isReady } }

    /// Whether the server can recognize: `ok`, or the reason why not.
    var status: String { isStopping ? "stopping" : !isReady ? "loading" : uploads.isUsable ? "ok" : "no_storage" }

    /// The rules of access through a browser.
    var access: AccessRules { state.withLock { $0.access } }

    /// Sets the address that the server listens on.
    func listens(on address: ListeningAddress) {
        let rules = AccessRules(options, isLocal: address.isLoopback)
        state.withLock { $0.access = rules }
    }

    /// The first model.
    var first: ServedModel { store.models[0] }

    /// Uses a model that is already in memory as the first one.
    func use(_ recognizer: Recognizer) async {
        await store.provide(.recognizer(recognizer), for: 0)
        state.withLock { $0.isReady = true }
    }

    /// Loads the first model.
    ///
    /// - Throws: The error of loading it.
    func loadFirst() async throws {
        do {
            _ = try await store.lease(0, for: first.firstRole)
        } catch ModelStore.Failure.unloadable(_, let error) {
            throw error
        }
        state.withLock { $0.isReady = true }
    }

    func stop() { state.withLock { $0.isStopping = true } }

    func tell(_ event: ServerEvent) { report(event) }

    /// Reports the hidden cause of a request's error, if it has one.
    func tell(_ error: RequestError, path: String, identifier: String) {
        guard let hidden = error.hidden else { return }
        report(.trouble("\(path): \(hidden) (request \(identifier))"))
    }

    /// Counts and reports an answered request.
    func finished(_ request: ServedRequest, route: String) {
        metrics.requestEnds(request, route: route)
        report(.served(request))
    }

    /// Checks that the server answers requests.
    ///
    /// - Throws: `RequestError` while the first model is being loaded, and when the server is stopping.
    func requireReady() throws {
        let state = state.withLock { $0 }
        if state.isStopping { throw RequestError.stopping }
        guard state.isReady else { throw RequestError.loading }
    }

    /// Decodes an upload, on a thread for large or for small ones, the smaller of those that wait first.
    ///
    /// Three megabytes may be half an hour, which takes seconds: many of them must not delay short recordings.
    func decode(_ upload: Upload, window: Int) async throws -> DecodedUpload {
        let (work, priority): (BlockingWork, Operation.QueuePriority) =
            switch upload.byteCount {
            case ...(1 << 20): (quickWork, .normal)
            case ...(4 << 20): (slowWork, .high)
            default: (slowWork, .normal)
            }
        return try await work.run(priority) { [uploads, options] job in
            try DecodedUpload(
                upload, in: uploads, window: window, maximumSeconds: options.maximumAudioSeconds,
                isCancelled: { job.isCancelled })
        }
    }

    /// Runs work that takes a while on another thread.
    func work<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await quickWork.run(.high) { _ in try body() }
    }

    /// Formats a transcription, on another thread since long recordings take long.
    func text(_ write: @escaping @Sendable ((String) -> Void) throws -> Void) async throws -> Data {
        try await quickWork.run(.high) { _ in
            var text = Data()
            try write { text.append(contentsOf: $0.utf8) }
            return text
        }
    }
}
