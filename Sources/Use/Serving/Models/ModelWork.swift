import Foundation
import W2VAudio
import W2VBase
import W2VDecoding
import W2VFeatures
import W2VInference
import W2VRecognition

/// What requests do with a model.
extension ServerCore {
    /// A recording on its way through a model.
    fileprivate struct Job: Sendable {
        var recording: Recording
        var model: LoadedModel
        /// The kind of its passes.
        var kind: PassKind
        /// Called when a pass of the model starts.
        var begins: @Sendable (PassStart) -> Void
    }

    /// The multiple of full scale beyond which the recording is to blame for NaN or infinite outputs.
    static let loudest: Float = 100

    /// Chooses the model of a request.
    ///
    /// - Parameters:
    ///   - name: The name that the client gives; nil for the first model that can do it. A server with one model accepts
    ///     any name.
    ///   - role: The use of the model.
    ///   - canDo: Whether a model can do what the request asks for, beside its role.
    /// - Returns: The model's index.
    /// - Throws: `RequestError` for an unknown name, and for a model that cannot do it.
    func choose(
        _ name: String?, for role: ServedModel.Role, where canDo: (ServedModel) -> Bool = { _ in true }
    ) throws -> Int {
        let models = store.models
        func fits(_ model: ServedModel) -> Bool { (role == .features || model.writesText) && canDo(model) }
        var index = models.firstIndex(where: fits)
        if let name, models.count > 1 {
            index = models.firstIndex { $0.name.hasSameCodePoints(as: name) }
            guard index != nil else { throw RequestError.noModel(name, models.map(\.name)) }
        }
        guard let index, fits(models[index]) else {
            throw RequestError.unableModel(models[index ?? 0], role, others: models.filter(fits).map(\.name))
        }
        return index
    }

    /// Receives an upload.
    ///
    /// - Parameters:
    ///   - call: The request.
    ///   - role: The use of the model.
    ///   - canDo: Whether a model can do what the request asks for, beside its role.
    /// - Returns: The upload, and the index of its model: a request that has begun is completed even when the server
    ///   stops.
    /// - Throws: `RequestError` and others.
    func receive(
        _ call: Call, for role: ServedModel.Role,
        where canDo: (ServedModel, Parameters) -> Bool = { _, _ in true }
    ) async throws -> (Upload, Int) {
        func index(_ parameters: Parameters) throws -> Int {
            try choose(parameters["model"], for: role) { canDo($0, parameters) }
        }
        // Before an upload that could not be answered.
        try requireReady()
        try room.check()
        let query = try call.parameters()
        if !call.hasForm {
            try query.requireAll(for: call.path)
            _ = try index(query)
        } else if query.has("model") {
            _ = try index(query)
        }
        let upload = try await Upload.receive(call, in: uploads)
        try upload.parameters.requireAll(for: call.path)
        return (upload, try index(upload.parameters))
    }

    /// Recognizes an upload; a task that is canceled, because its client has gone, stops soon.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - model: The model's index.
    ///   - detail: The least amount of detail to keep.
    ///   - prompt: Words to prefer, where the decoder can.
    ///   - heard: Called with the words so far, where the decoder can tell.
    /// - Returns: The transcription.
    /// - Throws: `RequestError` and others.
    func recognize(
        _ upload: Upload, by model: Int, detail: TranscriptionDetail, prompt: String = "",
        heard: (@Sendable (TranscriptionPart) -> Void)? = nil
    ) async throws -> Transcription {
        try await run(upload, by: model, for: .text) { job in
            let recognizer = try job.recognizer
            let results = recognizer.transcriptions(
                of: Recordings([job.recording]), detail: detail, as: job.kind,
                hotWords: recognizer.hotWords(in: prompt), begins: job.begins, heard: heard)
            return try await results.all()[0].get()
        }
    }

    /// Finds the times of a transcript in an upload.
    ///
    /// - Throws: `DecoderError` about the transcript; `RequestError` and others.
    func align(_ upload: Upload, by model: Int, transcript: String) async throws -> TimedTranscript {
        try await run(upload, by: model, for: .text) { job in
            try await job.recognizer.align(
                job.recording, transcript: transcript, as: job.kind, begins: job.begins)
        }
    }

    /// Returns the features of an upload, and its length in seconds.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - model: The model's index.
    ///   - request: One layer.
    ///   - isText: Whether the numbers are sent as text.
    /// - Throws: `FeatureError` about the layer; `RequestError` for more than an upload may have, and others.
    func features(
        _ upload: Upload, by model: Int, _ request: FeatureRequest, isText: Bool
    ) async throws -> (LayerFeatures, seconds: Double) {
        try await run(upload, by: model, for: .features) { [options] job in
            let featurizer = try job.featurizer
            let numbers = try featurizer.numbers(samples: job.recording.sampleCount, request)
            // A number as text takes about 12 characters.
            let bytes = numbers * (isText ? 12 : 4)
            guard bytes <= options.maximumUploadBytes else {
                throw RequestError.featuresTooLarge(bytes, limit: options.maximumUploadBytes)
            }
            let results = try featurizer.features(of: Recordings([job.recording]), request, begins: job.begins)
            return (try await results.all()[0].get()[0], job.seconds)
        }
    }

    /// Returns the units of an upload, their rate in frames per second, and its length in seconds.
    ///
    /// - Parameters:
    ///   - upload: The upload.
    ///   - model: The model's index.
    ///   - source: Where the units come from; the model has it.
    ///   - isJoined: Whether the entries of several code books are written as one number.
    /// - Throws: `FeatureError` about the clusters; `RequestError` and others.
    func units(
        _ upload: Upload, by model: Int, from source: UnitSource, isJoined: Bool
    ) async throws -> (sequence: [String], rate: Double, seconds: Double) {
        let clusters = store.models[model].clusters
        return try await run(upload, by: model, for: .features) { job in
            let featurizer = try job.featurizer
            let recordings = Recordings([job.recording])
            if source == .clusters, let clusters {
                let results = try featurizer.features(of: recordings, clusters.request, begins: job.begins) {
                    (units: try clusters.units($0[0]), rate: $0[0].rate)
                }
                let found = try await results.all()[0].get()
                return (found.units.map(String.init), found.rate, job.seconds)
            }
            let codes = try await featurizer.codes(of: recordings, begins: job.begins).all()[0].get()
            let symbols =
                isJoined
                ? codes.joined.map(String.init)
                : codes.entries.map { $0.map(String.init).joined(separator: "-") }
            return (symbols, featurizer.frameRate, job.seconds)
        }
    }

    /// Decodes an upload, waits for its model and its turn, and works on it.
    private func run<Value: Sendable>(
        _ upload: Upload, by index: Int, for role: ServedModel.Role,
        _ body: @escaping @Sendable (Job) async throws -> Value
    ) async throws -> Value {
        let place = try room.enter()
        defer { place.leave() }
        let lease = try await lease(index, for: role)
        let decoded = try await decode(upload, window: lease.model.windowLimit)
        try Task.checkCancellation()
        let kind: PassKind = decoded.isLong || role == .features ? .long : .short
        let job = Job(recording: decoded.recording, model: lease.model, kind: kind) { [metrics] start in
            place.begin()
            if kind == .short, start.position == 0 { metrics.passes(recordings: start.requests) }
        }
        do {
            return decoded.isLong ? try await turnstiles[index].take { try await body(job) } : try await body(job)
        } catch  where decoded.peak > Self.loudest && !(error is CancellationError) {
            throw RequestError.tooLoud(upload.name, peak: decoded.peak)
        }
    }

    /// Returns a model for use, loaded if necessary.
    ///
    /// - Throws: `RequestError` if it cannot be loaded, or others leave no memory for it.
    func lease(_ index: Int, for role: ServedModel.Role) async throws -> ModelStore.Lease {
        do {
            return try await store.lease(index, for: role)
        } catch let failure as ModelStore.Failure {
            throw RequestError(failure)
        }
    }
}

extension ServerCore.Job {
    fileprivate var recognizer: Recognizer { get throws { try model.requireRecognizer() } }

    fileprivate var featurizer: Featurizer { get throws { try model.requireFeaturizer() } }

    fileprivate var seconds: Double { Double(recording.sampleCount) / Double(AudioFile.modelSampleRate) }
}

extension RequestError {
    static func noModel(_ name: String, _ names: [String]) -> RequestError {
        RequestError(
            status: .notFound, type: "model_not_found", "There is no model \(name.prefix(80))",
            "this server has \(names.joined(separator: ", "))", parameter: "model")
    }

    /// An error for a model that cannot do what a request asks for.
    static func unableModel(_ model: ServedModel, _ role: ServedModel.Role, others: [String]) -> RequestError {
        let lack =
            role == .text && !model.writesText
            ? "is pre-trained only and cannot write text" : "has no units of this kind"
        return RequestError(
            status: .badRequest, type: "unsuitable_model", "The model \(model.name) \(lack)",
            others.isEmpty
                ? role == .text ? "ask for its features or units" : "ask for its features"
                : "choose another model (\(others.joined(separator: ", ")))",
            parameter: "model")
    }

    static func featuresTooLarge(_ bytes: Int, limit: Int) -> RequestError {
        RequestError(
            status: .payloadTooLarge, type: "features_too_large",
            "The features would have \((bytes + (1 << 20) - 1) >> 20) MB, more than \(limit >> 20) MB (\(Phrase.uploadLimit))",
            "send a shorter recording, or pool the frames", parameter: "pool")
    }

    init(_ failure: ModelStore.Failure) {
        switch failure {
        case .noRoom(let name):
            self.init(
                status: .serviceUnavailable, type: "no_memory",
                "There is no memory for the model \(name) while others are in use", "try again in a few seconds",
                headers: ["Retry-After": "5"])
        case .unloadable(let name, let error):
            self.init(
                status: .internalServerError, type: "model_unavailable",
                "The model \(name) cannot be loaded", "the server's log has the reason")
            hidden = "the model \(name) cannot be loaded (\(error))"
        }
    }
}
