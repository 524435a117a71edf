import Foundation
import TestSupport
import Testing
import W2VInference
import W2VInterchange
import W2VObjectives
import W2VRecognition
import W2VTorch

@testable import W2VFeatures
@testable import W2VServing

/// A server with several models: a recognizer in memory, one on disk, a pre-trained one, and one that is damaged.
private struct Models {
    static let names = ["first", "second", "pretrained", "damaged"]

    let folder: URL
    let second: URL
    let pretrained: URL

    init(in folder: URL) throws {
        self.folder = folder
        second = try SmallModels.ctcCheckpoint(in: folder)
        pretrained = try SmallModels.checkpoint(in: folder, named: "pretrained")
    }

    func clusters() async throws -> UnitModel {
        let featurizer = try await Featurizer(checkpoint: pretrained)
        let request = FeatureRequest([.transformer(2)])
        let frames = try await featurizer.features(
            [Recording(samples: tonesInNoise(64_000, seed: 1))], request)[0].get()[0].values
        let centroids = try frames.rows(0..<8).cloned()
        return try UnitModel(
            KMeansResult(
                clusters: KMeans(centroids: centroids), inertia: 1, sizes: Array(repeating: 1, count: 8), runs: [1]),
            request, of: featurizer, seed: 1)
    }

    func served() async throws -> [ServedModel] {
        func model(_ name: String, _ url: URL, writesText: Bool) -> ServedModel {
            ServedModel(
                name: name, facts: RunningServer.facts, writesText: writesText, hasQuantizer: !writesText, bytes: 1000,
                recognizer: { try await Recognizer(checkpoint: url) },
                featurizer: { try await Featurizer(checkpoint: url) })
        }
        var encoder = model("pretrained", pretrained, writesText: false)
        encoder.clusters = try await clusters()
        return [
            model("first", second, writesText: true), model("second", second, writesText: true), encoder,
            model("damaged", folder.appendingPathComponent("nothing"), writesText: true),
        ]
    }
}

@Suite struct ModelRouteTests {
    private func withModels(_ body: (RunningServer, Models) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let models = try Models(in: folder)
            try await withServer(models: models.served()) { try await body($0, models) }
        }
    }

    /// A failure before the first event is answered and reported as that of any request.
    @Test func aStreamThatCannotBeginIsReportedOnce() async throws {
        try await withModels { running, _ in
            let reply = try await running.send(
                "POST", "/v1/audio/transcriptions", headers: formHeaders.merging(["X-Request-ID": "abc"]) { $1 },
                form(file: wave(16_000, seed: 1), fields: ["stream": "true", "model": "damaged"]))
            #expect(reply.status == 500 && reply.error == "model_unavailable", "\(reply.text)")
            #expect(running.troubles.count == 1, "\(running.troubles)")
            #expect(running.troubles.last?.hasSuffix(" (request abc)") == true, "\(running.troubles)")
        }
    }

    /// The operator learns of a failure, and which request it was.
    @Test func failuresOfLiveInputAreReported() async throws {
        try await withModels { running, _ in
            let answer = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live?model=damaged", headers: ["X-Request-ID": "abc"])
                return try client.messages()
            }
            #expect(answer.code == 1011 && answer.texts.last?.contains("cannot be loaded") == true, "\(answer)")
            #expect(running.troubles.count == 1, "\(running.troubles)")
            #expect(running.troubles.last?.hasPrefix("/v1/live: ") == true, "\(running.troubles)")
            #expect(running.troubles.last?.hasSuffix(" (request abc)") == true, "\(running.troubles)")
        }
    }

    @Test func modelsAreChosenByName() async throws {
        try await withModels { running, models in
            let list = try await running.send("GET", "/v1/models").json()
            let data = try #require(list["data"] as? [[String: Any]])
            #expect(data.compactMap { $0["id"] as? String } == Models.names)
            #expect(data.compactMap { $0["writes_text"] as? Bool } == [true, true, false, true])
            #expect(data.compactMap { $0["units"] as? [String] } == [[], [], ["clusters", "codes"], []])
            #expect(try await states(running) == ["ready", "idle", "idle", "idle"])
            let audio = try wave(20_000, seed: 3)
            let text = try await running.send("POST", "/v1/transcribe", audio)
            #expect(text.status == 200)
            for target in ["/v1/transcribe?model=second", "/v1/transcribe?model=first", "/v1/transcribe?model="] {
                #expect(try await running.send("POST", target, audio).text == text.text, "\(target)")
            }
            #expect(try await states(running) == ["ready", "ready", "idle", "idle"])
            let form = try await running.send("/v1/audio/transcriptions", file: audio, fields: ["model": "second"])
            #expect(form.status == 200 && form.headers["ignored-parameters"] == nil, "\(form.text)")
            for target in ["/v1/transcribe?model=whisper-1", "/v1/features?model=whisper-1"] {
                let other = try await running.send("POST", target, audio)
                #expect(other.status == 404 && other.error == "model_not_found", "\(other.text)")
                #expect(other.text.contains("first, second, pretrained, damaged"))
                #expect(try other.param() == "model")
            }
            let other = try await running.send("/v1/audio/transcriptions", file: audio, fields: ["model": "whisper-1"])
            #expect(other.status == 404 && other.error == "model_not_found", "\(other.text)")
            #expect(running.uploads.isEmpty)
        }
    }

    private func states(_ running: RunningServer) async throws -> [String] {
        let health = try await running.send("GET", "/health").json()
        #expect(health["status"] as? String == "ok")
        return try #require(health["models"] as? [[String: Any]]).compactMap { $0["state"] as? String }
    }

    @Test func aPretrainedModelWritesNoText() async throws {
        try await withModels { running, _ in
            let audio = try wave(20_000, seed: 3)
            for target in ["/v1/transcribe?model=pretrained", "/v1/align?model=pretrained&text=TEA"] {
                let reply = try await running.send("POST", target, audio)
                #expect(reply.status == 400 && reply.error == "unsuitable_model", "\(reply.text)")
                #expect(reply.text.contains("cannot write text") && reply.text.contains("first, second, damaged"))
            }
            let units = try await running.send("POST", "/v1/units?model=first", audio)
            #expect(units.status == 400 && units.text.contains("choose another model (pretrained)"), "\(units.text)")
        }
    }

    @Test func aModelThatCannotBeLoadedIsNamed() async throws {
        try await withModels { running, _ in
            let audio = try wave(20_000, seed: 3)
            let reply = try await running.send("POST", "/v1/transcribe?model=damaged", audio)
            #expect(reply.status == 500 && reply.error == "model_unavailable", "\(reply.text)")
            #expect(reply.text.contains("The model damaged cannot be loaded") && !reply.text.contains("nothing"))
            #expect(
                running.troubles.contains {
                    $0.contains("the model damaged cannot be loaded") && $0.contains("nothing")
                })
            #expect(try await states(running) == ["ready", "idle", "idle", "failed"])
            #expect(try await running.send("POST", "/v1/transcribe", audio).status == 200)
        }
    }

    @Test func featuresAreThoseOfTheCommand() async throws {
        try await withModels { running, models in
            let samples = tonesInNoise(20_000, seed: 3)
            let audio = try wave(samples, as: .wavFloat)
            let featurizer = try await Featurizer(checkpoint: models.pretrained)
            for (query, layer, pooling) in [
                ("", FeatureLayer.context, Pooling.none), ("&layer=2", .transformer(2), .none),
                ("&layer=extractor&pool=mean-std", .extractor, .meanStd),
            ] {
                let expected = try await featurizer.features(
                    [Recording(samples: samples)], FeatureRequest([layer], pooling: pooling))[0].get()[0]
                let reply = try await running.send("POST", "/v1/features?model=pretrained" + query, audio)
                #expect(reply.status == 200 && reply.headers["content-type"] == "application/octet-stream")
                let file = models.folder.appendingPathComponent("x.npy")
                try reply.body.write(to: file)
                let found = try NumPyFile.read(file)
                #expect(found.shape == expected.values.shape)
                #expect(try found.elements(Float.self) == expected.values.elements(Float.self), "\(query)")
                let text = try await running.send(
                    "POST", "/v1/features?model=pretrained&format=json" + query, audio)
                let json = try text.json()
                #expect(json["layer"] as? String == layer.description && json["frames"] as? Int == expected.frames)
                #expect(json["dimension"] as? Int == expected.dimension)
                let rows = pooling == .none ? json["values"] as? [[Double]] : (json["values"] as? [Double]).map { [$0] }
                #expect(try rows?.joined().map { Float($0) } == expected.values.elements(Float.self))
            }
            let half = try await running.send("POST", "/v1/features?model=pretrained&dtype=float16", audio)
            #expect(half.status == 200 && String(decoding: half.body.prefix(80), as: UTF8.self).contains("<f2"))
            // A fine-tuned model has features too.
            #expect(try await running.send("POST", "/v1/features?model=first&layer=1", audio).status == 200)
            for (query, words) in [
                ("layer=99", "3 transformer layers"), ("layer=best", "no layer"), ("format=xml", "npy, json"),
                ("pool=most", "none, mean, max"), ("dtype=int8", "float32, float16"),
            ] {
                let reply = try await running.send("POST", "/v1/features?model=pretrained&" + query, audio)
                #expect(reply.status == 400 && reply.text.contains(words), "\(reply.text)")
                #expect(try reply.param() == query.split(separator: "=").first.map(String.init))
            }
        }
    }

    @Test func featuresAreNotUnbounded() async throws {
        try await withTemporaryFolder { folder in
            let models = try await Models(in: folder).served()
            try await withServer(models: models, { $0.maximumUploadBytes = 150_000 }) { running in
                // A file that is smaller than its features.
                let audio = try wave((0..<140_000).map { $0 % 1000 == 0 ? 0.5 : 0 }, as: .flac)
                let reply = try await running.send("POST", "/v1/features?model=pretrained&format=json", audio)
                #expect(
                    reply.status == 413 && reply.error == "features_too_large", "\(reply.status) \(reply.body.count)")
                let pooled = try await running.send(
                    "POST", "/v1/features?model=pretrained&format=json&pool=mean", audio)
                #expect(pooled.status == 200)
            }
        }
    }

    @Test func unitsAreThoseOfTheCommand() async throws {
        try await withModels { running, models in
            let samples = tonesInNoise(20_000, seed: 3)
            let audio = try wave(samples, as: .wavFloat)
            let featurizer = try await Featurizer(checkpoint: models.pretrained)
            let recording = [Recording(samples: samples)]
            let clusters = try await models.clusters()
            let features = try await featurizer.features(recording, clusters.request)[0].get()[0]
            let units = try clusters.units(features)
            let codes = try await featurizer.codes(recording)[0].get()
            func line(_ query: String) async throws -> String {
                let reply = try await running.send(
                    "POST", "/v1/units?filename=talk.wav&model=pretrained&format=text" + query, audio)
                #expect(reply.status == 200, "\(reply.text)")
                return reply.text
            }
            let sequence = UnitSequence(name: "talk.wav", units: units)
            #expect(try await line("") == sequence.line(.text) + "\n")
            #expect(try await line("&source=clusters&collapse=true") == sequence.collapsed.line(.text) + "\n")
            let joined = UnitSequence(name: "talk.wav", units: codes.joined)
            #expect(try await line("&source=codes") == joined.line(.text) + "\n")
            let separate = codes.entries.map { $0.map(String.init).joined(separator: "-") }.joined(separator: " ")
            let km = try await running.send(
                "POST", "/v1/units?model=pretrained&format=km&source=codes&groups=separate", audio)
            #expect(km.text == separate + "\n")
            // The only model that has units needs no name.
            let json = try await running.send("POST", "/v1/units", audio).json()
            #expect(json["units"] as? [Int] == units && json["source"] as? String == "clusters")
            #expect(json["rate"] as? Double == 50 && json["model"] as? String == "pretrained")
        }
    }

    @Test func alignmentsAreThoseOfTheCommand() async throws {
        try await withModels { running, models in
            let samples = tonesInNoise(40_000, seed: 3)
            let audio = try wave(samples, as: .wavFloat)
            let recognizer = try await Recognizer(checkpoint: models.second)
            var aligned = try await recognizer.align(Recording(samples: samples), transcript: "TEA EAT")
            aligned.name = "talk"
            for format in AlignmentFormat.allCases {
                var expected = ""
                try format.write(aligned, to: { expected += $0 })
                let target = "/v1/align?format=\(format.rawValue)&filename=talk.wav"
                #expect(try await running.send("POST", target + "&text=TEA%20EAT", audio).text == expected)
                let form = try await running.send(
                    target, file: audio, fields: ["text": "tea eat", "uppercase": "true"])
                #expect(form.text == expected, "\(form.text)")
                #expect(form.headers["alignment-doubt"] == aligned.doubt)
            }
            for (fields, status, words) in [
                (["text": "TEA 7"], 422, "dictionary lacks"),
                ([:], 400, "needs the parameter text"), (["text": "   "], 422, "no words"),
                (["text": String(repeating: "TEA ", count: 500)], 422, "needs at least"),
            ] as [([String: String], Int, String)] {
                let reply = try await running.send("/v1/align", file: audio, fields: fields)
                #expect(reply.status == status && reply.text.contains(words), "\(reply.text)")
                #expect(try reply.param() == "text")
            }
        }
    }

    @Test func liveInputNamesItsModel() async throws {
        try await withModels { running, _ in
            let samples = tonesInNoise(40_000, seed: 3)
            let bytes = Data(
                samples.flatMap { sample in
                    let value = UInt16(bitPattern: Int16(max(-1, min(1, sample)) * 32_767))
                    return [UInt8(value & 255), UInt8(value >> 8)]
                })
            func said(_ target: String) async throws -> (texts: [String], code: Int) {
                try await onThread { [port = running.port] in
                    let client = try TestClient(port: port)
                    try client.openWebSocket(target)
                    client.sendFrame(2, bytes)
                    client.sendFrame(1, Data("end".utf8))
                    return try client.messages()
                }
            }
            let first = try await said("/v1/live")
            #expect(first.code == 1000 && first.texts.last?.contains("\"final\"") == true)
            #expect(try await said("/v1/live?model=second").texts.last == first.texts.last)
            for (model, words, code) in [
                ("whisper-1", "There is no model whisper-1", 1008), ("pretrained", "cannot write text", 1008),
                ("damaged", "cannot be loaded", 1011),
            ] {
                let refused = try await said("/v1/live?model=\(model)")
                #expect(refused.code == code && refused.texts.first?.contains(words) == true, "\(refused)")
            }
        }
    }
}

extension TestReply {
    /// The parameter that an error names.
    func param() throws -> String? { (try json()["error"] as? [String: Any])?["param"] as? String }
}
