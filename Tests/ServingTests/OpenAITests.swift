import Foundation
import Synchronization
import TestSupport
import Testing
import W2VDecoding
import W2VInference

@testable import W2VRecognition
@testable import W2VServing

/// OpenAI's API: every format with the fields that its clients require, events, and parameters.
@Suite struct OpenAITests {
    private static let target = "/v1/audio/transcriptions"

    /// A server-sent event: its name and its data.
    private struct Event {
        var name: String?
        var data: [String: Any]

        var type: String? { data["type"] as? String }
        var delta: String? { data["delta"] as? String }
    }

    private func events(_ reply: TestReply) throws -> [Event] {
        #expect(reply.status == 200 && reply.headers["content-type"]?.hasPrefix("text/event-stream") == true)
        return try reply.text.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { text in
            let lines = text.components(separatedBy: "\n")
            let data = try #require(lines.last)
            #expect(data.hasPrefix("data: ") && lines.count <= 2)
            let name = lines.count == 2 ? String(lines[0].dropFirst("event: ".count)) : nil
            return Event(
                name: name,
                data: try #require(JSONSerialization.jsonObject(with: Data(data.dropFirst(6).utf8)) as? [String: Any]))
        }
    }

    @Test func jsonHasUsage() async throws {
        try await withServer { running in
            let reply = try await running.send(Self.target, file: wave(40_000, seed: 4)).json()
            #expect(Set(reply.keys) == ["text", "usage"])
            let usage = try #require(reply["usage"] as? [String: Any])
            #expect(usage["type"] as? String == "duration" && usage["seconds"] as? Double == 2.5)
        }
    }

    @Test(arguments: [
        ([], ["segments", "words"]), (["segment"], ["segments"]), (["word"], ["words"]),
        (["word", "segment"], ["segments", "words"]),
    ])
    func timesAreThoseAskedFor(granularities: [String], expected: [String]) async throws {
        try await withServer { running in
            let query = granularities.map { "&timestamp_granularities%5B%5D=\($0)" }.joined()
            let target = Self.target + "?response_format=verbose_json&language=en" + query
            let reply = try await running.send(target, file: wave(40_000, seed: 4)).json()
            let keys = Set(["task", "language", "duration", "text", "usage"] + expected)
            #expect(Set(reply.keys) == keys)
            #expect(reply["language"] as? String == "en" && reply["task"] as? String == "transcribe")
            if let segment = (reply["segments"] as? [[String: Any]])?.first {
                #expect(
                    Set(segment.keys) == [
                        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
                        "compression_ratio", "no_speech_prob",
                    ])
            }
            if let words = reply["words"] as? [[String: Any]] {
                #expect(words.compactMap { $0["word"] as? String }.joined(separator: " ") == reply["text"] as? String)
            }
        }
    }

    @Test func logProbabilitiesAreThoseOfLetters() async throws {
        try await withServer { running in
            let samples = tonesInNoise(40_000, seed: 4)
            let fields = ["include[]": "logprobs"]
            let audio = try wave(samples, as: .wavFloat)
            let reply = try await running.send(Self.target, file: audio, fields: fields)
            #expect(reply.headers["ignored-parameters"] == nil)
            let json = try reply.json()
            let tokens = try #require(json["logprobs"] as? [[String: Any]])
            let text = tokens.compactMap { $0["token"] as? String }
            #expect(text.joined() == json["text"] as? String)
            #expect(
                tokens.allSatisfy { token in
                    (token["bytes"] as? [Int])?.map(UInt8.init) == (token["token"] as? String).map { Array($0.utf8) }
                })
            let expected = try await running.recognizer.transcribe(samples: samples).characters
            let found = tokens.compactMap { $0["logprob"] as? Double }
            #expect(found.count == expected.count && found.allSatisfy { $0 <= 0 })
            #expect(zip(found, expected).allSatisfy { abs(exp($0) - $1.confidence) < 1e-5 })
            let streamed = try events(
                await running.send(Self.target, file: audio, fields: fields.merging(["stream": "true"]) { $1 }))
            let deltas = streamed.dropLast().flatMap { $0.data["logprobs"] as? [[String: Any]] ?? [] }
            #expect(deltas.compactMap { $0["token"] as? String } == text)
            #expect((streamed.last?.data["logprobs"] as? [[String: Any]])?.count == text.count)
            let other = try await running.send(Self.target + "?response_format=text", file: audio, fields: fields)
            #expect(other.headers["ignored-parameters"] == "include")
        }
    }

    /// The words of a long recording come window by window.
    @Test func aLongRecordingIsStreamedAsItIsRecognized() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0.5)) { running in
            let audio = try wave(16_000 * 20, seed: 9)
            let whole = try await running.send(Self.target, file: audio).json()
            let text = try #require(whole["text"] as? String)
            let reply = try await running.send(Self.target, file: audio, fields: ["stream": "true"])
            #expect(reply.chunks.count > 5)
            let events = try events(reply)
            #expect(events.dropLast().allSatisfy { $0.type == "transcript.text.delta" })
            #expect(events.dropLast().compactMap(\.delta).joined() == text)
            #expect(events.last?.type == "transcript.text.done" && events.last?.data["text"] as? String == text)
            try await until("the report") { running.requests.count == 2 }
            #expect(running.requests.last?.audioSeconds == 20)
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func errorsBeforeTheFirstEventAreOrdinary() async throws {
        try await withServer { running in
            for (audio, status) in [(Data("nothing".utf8), 422), (try wave(100, seed: 1), 422)] {
                let reply = try await running.send(Self.target, file: audio, fields: ["stream": "true"])
                #expect(reply.status == status && reply.error != nil, "\(reply.text)")
            }
        }
    }

    @Test func errorsAfterTheFirstEventAreEvents() throws {
        let sent = Sent()
        let events = OpenAIEvents(hasLogprobs: false) { sent.add($0) }
        #expect(!events.hasBegun)
        events.add(TranscriptionPart(text: "A TEA", words: [], characters: [], wordSeparator: " "))
        events.add(TranscriptionPart(text: "A TEA EAT", words: [], characters: [], wordSeparator: " "))
        #expect(events.hasBegun)
        events.fail(.stopping)
        #expect(
            sent.text.components(separatedBy: "\n\n").dropLast() == [
                #"data: {"delta":"A","type":"transcript.text.delta"}"#,
                #"data: {"delta":" TEA","type":"transcript.text.delta"}"#,
                #"data: {"delta":" EAT","type":"transcript.text.delta"}"#,
                "event: error\ndata: "
                    + #"{"error":{"code":"stopping","message":"The server is stopping; try another server","param":null,"type":"stopping"}}"#,
            ])
    }

    /// The tokens of a stream are its text, also for models that write no spaces.
    @Test(arguments: ["", " ", "\u{3000}"]) func streamedTokensHaveTheModelsSeparator(separator: String) throws {
        let sent = Sent()
        let events = OpenAIEvents(hasLogprobs: true) { sent.add($0) }
        let words = ["A", "B"].enumerated().map { index, text in
            TimedText(text: text, start: Double(index), end: Double(index) + 0.5, confidence: 0.5)
        }
        events.add(
            TranscriptionPart(text: "A", words: [words[0]], characters: [words[0]], wordSeparator: separator))
        events.add(
            TranscriptionPart(
                text: "A\(separator)B", words: words, characters: words, wordSeparator: separator))
        let deltas = try sent.text.components(separatedBy: "\n\n").dropLast().map { event in
            try #require(JSONSerialization.jsonObject(with: Data(event.dropFirst(6).utf8)) as? [String: Any])
        }
        let tokens = deltas.flatMap { $0["logprobs"] as? [[String: Any]] ?? [] }.compactMap { $0["token"] as? String }
        #expect(tokens == ["A", separator + "B"])
        #expect(deltas.compactMap { $0["delta"] as? String } == tokens)
    }

    private final class Sent: Sendable {
        private let data = Mutex(Data())

        func add(_ more: Data) { data.withLock { $0 += more } }
        var text: String { data.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    /// A client that leaves in the middle of a stream ends its work.
    @Test func leavingEndsTheWork() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0.5)) { running in
            let audio = try wave((0..<16_000 * 300).map { Float($0 % 997) / 2000 })
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                client.send(
                    request("POST", Self.target, headers: formHeaders, form(file: audio, fields: ["stream": "true"])))
                _ = try client.read(400)
            }
            try await until("the end of the work") {
                running.requests.last?.status == 499 && running.server.core.room.current == WaitingRoom.Counts()
            }
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func thePromptIsPreferredByABeamSearch() async throws {
        let samples = tonesInNoise(40_000, seed: 4)
        let audio = try wave(samples, as: .wavFloat)
        let recognizer = try await Recognizer(
            model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: true
        ) { alphabet in
            var options = BeamSearchOptions()
            options.hotWordWeight = 30
            return .beam(try BeamSearchDecoder(alphabet: alphabet, options: options))
        }
        let expected = try await recognizer.transcriptions(
            of: Recordings([Recording(samples: samples)]), hotWords: ["TEATEA"]
        ).all()[0].get().text
        try await withServer { running in
            await running.server.serve(recognizer)
            let usual = try await running.send(Self.target, file: audio)
            let reply = try await running.send(Self.target, file: audio, fields: ["prompt": "Teatea, please."])
            #expect(try reply.json()["text"] as? String == expected && reply.headers["ignored-parameters"] == nil)
            #expect(try usual.json()["text"] as? String != expected)
            let stream = try events(
                await running.send(Self.target, file: audio, fields: ["prompt": "Teatea", "stream": "true"]))
            #expect(stream.last?.data["text"] as? String == expected)
        }
        try await withServer { running in
            let reply = try await running.send(Self.target, file: audio, fields: ["prompt": "TEA"])
            #expect(reply.headers["ignored-parameters"] == "prompt")
        }
    }

    @Test func errorsNameTheirParameter() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            for (name, value) in [
                ("response_format", "xml"), ("stream", "perhaps"), ("timestamp_granularities[]", "letter"),
                ("include[]", "everything"), ("temperature", "hot"), ("temperature", "2"),
                ("prompt", String(repeating: "x", count: 5000)), ("colour", "red"),
            ] {
                let reply = try await running.send(Self.target, file: audio, fields: [name: value])
                #expect(reply.status == 400 && reply.error == "bad_request", "\(reply.text)")
                #expect(try reply.param() == Parameters.stem(name), "\(reply.text)")
            }
            let translation = try await running.send("/v1/audio/translations", file: audio)
            #expect(translation.status == 404 && translation.text.contains("use /v1/audio/transcriptions"))
        }
    }
}
