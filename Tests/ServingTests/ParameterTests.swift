import Foundation
import Testing

@testable import W2VServing

/// A server refuses unknown parameters and reports those without effect.
@Suite struct ParameterTests {
    @Test(arguments: [
        ("GET", "/health?verbose=1", "has no parameters"), ("GET", "/metrics?x", "has no parameters"),
        ("GET", "/v1/models?limit=3", "has no parameters"),
        ("POST", "/v1/transcribe?fromat=srt", "nearest is \"format\""),
        ("POST", "/v1/transcribe?Format=srt", "nearest is \"format\""),
        ("POST", "/v1/transcribe?response_format=srt", "nearest is \"format\""),
        ("POST", "/v1/transcribe?file_name=a", "nearest is \"filename\""),
        ("POST", "/v1/transcribe?format=srt&format=vtt", "given 2 times"),
        ("POST", "/v1/audio/transcriptions?respone_format=srt", "nearest is \"response_format\""),
    ])
    func unknownParametersAreRefused(method: String, target: String, words: String) async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            let reply =
                method == "GET"
                ? try await running.send(method, target) : try await running.send(target, file: audio)
            #expect(reply.status == 400, "\(reply.text)")
            let error = try #require(reply.json()["error"] as? [String: Any])
            #expect((error["message"] as? String)?.contains(words) == true, "\(reply.text)")
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func unknownFieldsAreRefused() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            for (target, field, nearest) in [
                ("/v1/transcribe", "fromat", "format"), ("/v1/transcribe", "prompt", "prompt"),
                ("/v1/audio/transcriptions", "format", "response_format"),
                ("/v1/audio/transcriptions", "fromat", "response_format"),
                ("/v1/audio/transcriptions", "steam", "stream"), ("/v1/audio/transcriptions", "stream[]", "stream"),
                ("/v1/audio/transcriptions", "", "stream"),
            ] {
                let reply = try await running.send(target, file: audio, fields: [field: "srt"])
                #expect(reply.status == 400 && reply.error == "bad_request", "\(field): \(reply.text)")
                if !field.isEmpty { #expect(reply.text.contains("\\\"\(nearest)\\\""), "\(field): \(reply.text)") }
            }
            let twice = Data("--a b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n".utf8)
            let reply = try await running.send(
                "POST", "/v1/transcribe", headers: formHeaders, twice + form(file: audio))
            #expect(reply.status == 400 && reply.text.contains("more than one part named file"), "\(reply.text)")
        }
    }

    @Test func namesUnlikeAnyOtherHaveNoNearestOne() async throws {
        try await withServer { running in
            for target in ["/v1/transcribe?language=de", "/v1/transcribe?=x", "/v1/audio/transcriptions?vad_filter=x"] {
                let reply = try await running.send(target, file: wave(16_000, seed: 1))
                #expect(reply.status == 400 && !reply.text.contains("nearest"), "\(reply.text)")
                #expect(reply.text.contains("it has ") && reply.text.contains("format"), "\(reply.text)")
            }
        }
    }

    @Test func filesInOtherPartsAreNamed() async throws {
        try await withServer { running in
            let part =
                "--a b\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"a.wav\"\r\n\r\nx\r\n--a b--\r\n"
            let reply = try await running.send("POST", "/v1/transcribe", headers: formHeaders, Data(part.utf8))
            #expect(reply.status == 400 && reply.text.contains("in one named file"), "\(reply.text)")
        }
    }

    @Test func queryAndFormServeAlike() async throws {
        try await withServer { running in
            let audio = try wave(40_000, seed: 4)
            let expected = try await running.send("/v1/transcribe?format=srt", file: audio).text
            #expect(expected.contains("-->"))
            #expect(try await running.send("/v1/transcribe", file: audio, fields: ["format": "srt"]).text == expected)
            let target = "/v1/audio/transcriptions"
            #expect(try await running.send(target + "?response_format=srt", file: audio).text == expected)
            let both = try await running.send("/v1/transcribe?format=srt", file: audio, fields: ["format": "srt"])
            #expect(both.status == 400, "\(both.text)")
            let named = try await running.send("/v1/transcribe?filename=other.wav", file: audio)
            #expect(try named.json()["file"] as? String == "other.wav")
        }
    }

    @Test(arguments: [
        ("//v1//transcribe", "/v1/transcribe"), ("/v1/%74ranscribe", "/v1/transcribe"),
        ("/x/.././v1/transcribe", "/v1/transcribe"), ("http://h:1/v1/transcribe", "/v1/transcribe"),
        ("http://h", "/"), ("/", "/"), ("//", "/"), ("", "/"), ("/v1/models/", "/v1/models/"), ("/a%0Ab", "/a\nb"),
        ("/%zz", "/%zz"), ("/../../etc", "/etc"),
    ])
    func pathsAreReadAsServersDo(raw: String, path: String) {
        #expect(RequestTarget(raw).path == path)
    }

    @Test func queriesAreDecodedOnce() {
        let target = RequestTarget("/?a=1%262&b&=c&d=e=f&a=%2541")
        #expect(target.query.map(\.name) == ["a", "b", "", "d", "a"])
        #expect(target.query.map(\.value) == ["1&2", "", "c", "e=f", "%41"])
        #expect(RequestTarget("https://h:8/x").host == "h:8")
    }

    /// Forms and many HTTP libraries write a space as a plus sign (URL standard, section 5.1); in a path it is itself.
    @Test func aPlusInAQueryIsASpace() {
        let target = RequestTarget("/a+b?x+y=C%2B%2B+is+fun")
        #expect(target.path == "/a+b")
        #expect(target.query.map(\.name) == ["x y"] && target.query.map(\.value) == ["C++ is fun"])
    }

    @Test func doubledSlashesFindTheRoute() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            #expect(try await running.send("//v1/audio/transcriptions", file: audio).status == 200)
            #expect(try await running.send("GET", "//health").status == 200)
            let missing = try await running.send("GET", "//v1//nothing")
            #expect(missing.status == 404 && missing.text.contains("/v1/nothing"))
            #expect(running.requests.map(\.path).last == "/v1/nothing")
        }
    }

    @Test func fieldsOfOpenAIWithoutEffectAreReported() async throws {
        try await withServer { running in
            let audio = try wave(16_000, seed: 1)
            func ignored(_ fields: [String: String]) async throws -> String? {
                let reply = try await running.send("/v1/audio/transcriptions", file: audio, fields: fields)
                #expect(reply.status == 200, "\(fields): \(reply.text)")
                return reply.headers["ignored-parameters"]
            }
            #expect(try await ignored(["model": "small", "response_format": "json", "prompt": ""]) == nil)
            #expect(try await ignored(["temperature": "0", "stream": "false"]) == nil)
            #expect(
                try await ignored([
                    "model": "whisper-1", "language": "de", "prompt": "x", "temperature": "0.3",
                    "include[]": "logprobs",
                    "chunking_strategy[type]": "server_vad",
                ]) == "chunking_strategy, language, model, prompt, temperature")
            #expect(try await ignored(["stream": "true", "response_format": "srt"]) == "stream")
            #expect(try await ignored(["timestamp_granularities[]": "word"]) == "timestamp_granularities")
            #expect(
                try await ignored(["timestamp_granularities[]": "word", "response_format": "verbose_json"]) == nil)
            for fields in [["stream": "perhaps"], ["timestamp_granularities[]": "letter"]] {
                let reply = try await running.send("/v1/audio/transcriptions", file: audio, fields: fields)
                #expect(reply.status == 400, "\(fields): \(reply.text)")
            }
        }
    }

    @Test(arguments: ["true", "True", "1"]) func textIsStreamedAsEvents(value: String) async throws {
        try await withServer { running in
            let audio = try wave(40_000, seed: 4)
            let target = "/v1/audio/transcriptions"
            let text = try #require(try await running.send(target, file: audio).json()["text"] as? String)
            #expect(text.contains(" "))
            let reply = try await running.send(target, file: audio, fields: ["stream": value])
            #expect(reply.status == 200 && reply.headers["content-type"]?.hasPrefix("text/event-stream") == true)
            let events = try reply.text.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { event in
                #expect(event.hasPrefix("data: "))
                return try #require(
                    JSONSerialization.jsonObject(with: Data(event.dropFirst(6).utf8)) as? [String: String])
            }
            #expect(events.dropLast().allSatisfy { $0["type"] == "transcript.text.delta" })
            #expect(events.dropLast().compactMap { $0["delta"] }.joined() == text)
            #expect(events.last == ["type": "transcript.text.done", "text": text])
        }
    }

    @Test func modelsAreListed() async throws {
        try await withServer { running in
            let list = try await running.send("GET", "/v1/models").json()
            let models = try #require(list["data"] as? [[String: Any]])
            #expect(list["object"] as? String == "list" && models.map { $0["id"] as? String } == ["small"])
            let model = try await running.send("GET", "/v1/models/small")
            #expect(try model.json()["object"] as? String == "model" && model.json()["owned_by"] is String)
            #expect(try model.json()["created"] is Int)
            let other = try await running.send("GET", "/v1/models/whisper-1")
            #expect(other.status == 404 && other.error == "model_not_found" && other.text.contains("small"))
        }
    }

    @Test(arguments: [
        ("/srv/models/tuned/best", "tuned"), ("tuned/last/", "tuned"), ("./best", "best"), ("a/update-500", "a"),
        ("models/base-960h", "base-960h"), ("../x", "x"),
    ])
    func modelsAreCalledByTheirFolder(path: String, name: String) {
        #expect(ModelFacts(model: path, device: "", precision: "", decoder: "", version: "").name == name)
    }
}
