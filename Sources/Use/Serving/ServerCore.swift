import Foundation
import Synchronization
import W2VInference
import W2VRecognition

/// The state that all requests to a server share.
final class ServerCore: Sendable {
    /// A model that is ready.
    struct Model: Sendable {
        var recognizer: Recognizer
        /// The queue of long recordings, which run one at a time, alternating with the short ones.
        let long = Turnstile()
    }

    private struct State {
        var model: Model?
        var isStopping = false
        var access: AccessRules
    }

    let options: ServerOptions
    let facts: ModelFacts
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
        _ options: ServerOptions, facts: ModelFacts, report: @escaping @Sendable (ServerEvent) -> Void
    ) {
        self.options = options
        self.facts = facts
        uploads = UploadFolder(in: options.temporaryFolder)
        // Strict until the listening address is known.
        state = Mutex(State(access: AccessRules(options, isLocal: true)))
        self.report = report
        room = WaitingRoom(most: options.maximumWaiting)
    }

    var uptime: Double { (ContinuousClock.now - began) / .seconds(1) }
    var isStopping: Bool { state.withLock { $0.isStopping } }
    var isReady: Bool { state.withLock { $0.model != nil } }

    /// Whether the server can recognize: `ok`, or the reason why not.
    var status: String { isStopping ? "stopping" : !isReady ? "loading" : uploads.isUsable ? "ok" : "no_storage" }

    /// The rules of access through a browser.
    var access: AccessRules { state.withLock { $0.access } }

    /// Sets the address that the server listens on.
    func listens(on address: ListeningAddress) {
        let rules = AccessRules(options, isLocal: address.isLoopback)
        state.withLock { $0.access = rules }
    }

    func use(_ recognizer: Recognizer) {
        let model = Model(recognizer: recognizer)
        state.withLock { $0.model = model }
    }

    func stop() { state.withLock { $0.isStopping = true } }

    func tell(_ event: ServerEvent) { report(event) }

    /// Counts and reports an answered request.
    func finished(_ request: ServedRequest, route: String) {
        metrics.requestEnds(request, route: route)
        report(.served(request))
    }

    /// Returns the model.
    ///
    /// - Throws: `RequestError` while there is no model, and when the server is stopping.
    func model() throws -> Model {
        let (model, isStopping) = state.withLock { ($0.model, $0.isStopping) }
        if isStopping { throw RequestError.stopping }
        guard let model else { throw RequestError.loading }
        return model
    }

    /// Receives an upload.
    ///
    /// - Parameter call: The request.
    /// - Returns: The upload, and its model: a request that has begun is completed even when the server stops.
    /// - Throws: `RequestError` and others.
    func receive(_ call: Call) async throws -> (Upload, Model) {
        // Before an upload that could not be answered.
        let model = try model()
        try room.check()
        return (try await Upload.receive(call, in: uploads), model)
    }

    /// Recognizes an upload; a task that is canceled, because its client has gone, stops soon.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - model: The model.
    ///   - detail: The least amount of detail to keep.
    /// - Returns: The transcription.
    /// - Throws: `RequestError` and others.
    func recognize(
        _ upload: Upload, by model: Model, detail: TranscriptionDetail
    ) async throws -> Transcription {
        let place = try room.enter()
        defer { place.leave() }
        let decoded = try await decode(upload, window: model.recognizer.windowLimit)
        try Task.checkCancellation()
        do {
            guard decoded.isLong else {
                return try await transcribe(decoded, by: model, detail: detail, as: .short, place: place)
            }
            return try await model.long.take { [self] in
                try await transcribe(decoded, by: model, detail: detail, as: .long, place: place)
            }
        } catch  where decoded.peak > Self.loudest && !(error is CancellationError) {
            throw RequestError.tooLoud(upload.name, peak: decoded.peak)
        }
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

    private func transcribe(
        _ upload: DecodedUpload, by model: Model, detail: TranscriptionDetail, as kind: PassKind,
        place: WaitingRoom.Place
    ) async throws -> Transcription {
        let results = model.recognizer.transcriptions(of: Recordings([upload.recording]), detail: detail, as: kind) {
            [metrics] start in
            place.begin()
            if kind == .short, start.position == 0 { metrics.passes(recordings: start.requests) }
        }
        return try await results.all()[0].get()
    }

    /// The multiple of full scale beyond which the recording is to blame for NaN or infinite outputs.
    private static let loudest: Float = 100

    /// Formats a transcription, on another thread since long recordings take long.
    func text(_ write: @escaping @Sendable ((String) -> Void) throws -> Void) async throws -> Data {
        try await quickWork.run(.high) { _ in
            var text = Data()
            try write { text.append(contentsOf: $0.utf8) }
            return text
        }
    }
}
