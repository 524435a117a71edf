import Foundation
import TestSupport
import Testing
import W2VAudio
import W2VInference
import W2VRecognition

@testable import W2VServing

@Suite struct ServingTests {
    /// The output of `transcribe` for a recording.
    private func written(
        _ audio: Data, as format: TranscriptFormat, by recognizer: Recognizer, path: String
    ) async throws -> String {
        let recording = try Recording(encoded: audio, name: path)
        let results = try await recognizer.transcribe([recording], detail: format.detail)
        let name = (path as NSString).deletingPathExtension
        var text = ""
        try format.write(results[0].get(), path: path, name: name) { text += $0 }
        return text
    }

    @Test func formatsAreThoseOfTranscribe() async throws {
        try await withServer { running in
            let audio = try wave(40_000, seed: 4)
            for format in TranscriptFormat.allCases {
                let bare = try await running.send("POST", "/v1/transcribe?format=\(format.rawValue)", audio)
                let expected = try await written(audio, as: format, by: running.recognizer, path: "audio")
                #expect(bare.status == 200 && bare.text == expected, "\(format)")
                let named = try await running.send("/v1/transcribe?format=\(format.rawValue)", file: audio)
                #expect(
                    try await named.text
                        == written(audio, as: format, by: running.recognizer, path: "talk.wav"), "\(format)")
            }
            let usual = try await running.send("POST", "/v1/transcribe", headers: ["Content-Type": "x/y"], audio)
            #expect(usual.headers["content-type"] == "application/json")
            let object = try usual.json()
            #expect((object["words"] as? [Any])?.isEmpty == false && object["characters"] == nil)
            let query = try await running.send("POST", "/v1/transcribe?filename=a/b.wav", audio)
            #expect(try query.json()["file"] as? String == "b.wav")
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func clientsOfOpenAIAreAnswered() async throws {
        try await withServer { running in
            let audio = try wave(40_000, seed: 4)
            let expected = try await running.recognizer.transcribe([Recording(encoded: audio, name: "talk.wav")])[0]
                .get()
            let target = "/v1/audio/transcriptions"
            let plain = try await running.send(target, file: audio, fields: ["model": "whisper-1", "language": "de"])
            #expect(try plain.status == 200 && plain.json()["text"] as? String == expected.text)
            let both = "?timestamp_granularities[]=word&timestamp_granularities[]=segment"
            let verbose = try await running.send(
                target + both, file: audio, fields: ["response_format": "verbose_json"]
            ).json()
            #expect(verbose["task"] as? String == "transcribe" && verbose["text"] as? String == expected.text)
            #expect(verbose["duration"] as? Double == 2.5)
            let words = try #require(verbose["words"] as? [[String: Any]])
            #expect(words.compactMap { $0["word"] as? String } == expected.words.map(\.text))
            #expect(words.compactMap { $0["start"] as? Double } == expected.words.map(\.start))
            let segments = try #require(verbose["segments"] as? [[String: Any]])
            #expect(segments.first?["id"] as? Int == 0 && segments.allSatisfy { $0["text"] is String })
            #expect(verbose["language"] is String)
            for (index, segment) in segments.enumerated() {
                #expect(segment["id"] as? Int == index && segment["tokens"] is [Int], "\(segment)")
                for key in ["start", "end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"] {
                    #expect(segment[key] is Double, "\(key) of \(segment)")
                }
                let start = try #require(segment["start"] as? Double)
                #expect(segment["seek"] as? Int == Int(start * 100))
            }
            for (name, format) in [("text", TranscriptFormat.text), ("srt", .srt), ("vtt", .vtt)] {
                let reply = try await running.send(target, file: audio, fields: ["response_format": name])
                #expect(
                    try await reply.text == written(audio, as: format, by: running.recognizer, path: "talk.wav"))
            }
            #expect(try await running.send("POST", target, audio).status == 415)
            let unknown = try await running.send(target, file: audio, fields: ["response_format": "xml"])
            #expect(unknown.status == 400 && unknown.error == "bad_request")
        }
    }

    @Test func manyAtOnceAreAnsweredAsAlone() async throws {
        try await withServer { running in
            let recordings = try (0..<16).map { try wave(8_000 + 2_345 * $0, seed: UInt64($0)) }
            var alone: [TestReply] = []
            for audio in recordings {
                alone.append(try await running.send("POST", "/v1/transcribe?format=verbose-json", audio))
            }
            let together = try await withThrowingTaskGroup(of: (Int, TestReply).self) { group in
                for (index, audio) in recordings.enumerated() {
                    group.addTask {
                        (index, try await running.send("POST", "/v1/transcribe?format=verbose-json", audio))
                    }
                }
                return try await group.reduce(into: [Int: TestReply]()) { $0[$1.0] = $1.1 }
            }
            for (index, reply) in alone.enumerated() {
                #expect(reply.status == 200 && together[index]?.status == 200)
                let first = try JSONDecoder().decode(Transcription.self, from: reply.body)
                let second = try JSONDecoder().decode(Transcription.self, from: try #require(together[index]).body)
                #expect(first.text == second.text && first.duration == second.duration)
                #expect(first.words.map(\.start) == second.words.map(\.start))
                #expect(first.characters.map(\.end) == second.characters.map(\.end))
                #expect(abs(first.confidence - second.confidence) < 1e-5)
            }
        }
    }

    @Test func longRecordingsAreReadInWindows() async throws {
        try await withServer(windows: WindowOptions(seconds: 2, overlap: 0.5)) { running in
            let audio = try wave(16_000 * 9, seed: 9)
            let (long, short) = try await (
                running.send("POST", "/v1/transcribe", audio),
                running.send("POST", "/v1/transcribe", wave(16_000, seed: 2))
            )
            #expect(long.status == 200 && short.status == 200)
            let expected = try await written(audio, as: .json, by: running.recognizer, path: "audio")
            #expect(long.text == expected)
            #expect(running.uploads.isEmpty)
        }
    }

    @Test func countsAreGivenToPrometheus() async throws {
        try await withServer { running in
            for seed in 1...3 { _ = try await running.send("POST", "/v1/transcribe", wave(16_000, seed: UInt64(seed))) }
            _ = try await running.send("GET", "/nowhere")
            let reply = try await running.send("GET", "/metrics")
            #expect(reply.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
            let lines = Set(reply.text.split(separator: "\n").map(String.init))
            for line in [
                "wav2vec2_requests_total{route=\"/v1/transcribe\",status=\"200\"} 3",
                "wav2vec2_requests_total{route=\"other\",status=\"404\"} 1", "wav2vec2_audio_seconds_total 3.0",
                "wav2vec2_request_seconds_count 3", "wav2vec2_request_seconds_bucket{le=\"+Inf\"} 3",
                "wav2vec2_requests_waiting 0", "wav2vec2_requests_in_flight 0", "wav2vec2_requests_open 1",
                "# TYPE wav2vec2_request_seconds histogram",
            ] { #expect(lines.contains(line), "\(line) is not in\n\(reply.text)") }
            for line in lines where !line.hasPrefix("#") {
                #expect(line.contains(#/^[a-z0-9_]+(\{[^}]*\})? [0-9.e+-]+$/#), "\(line)")
            }
            let health = try await running.send("GET", "/health").json()
            #expect(health["status"] as? String == "ok" && health["version"] as? String == "1.2.3")
            #expect(health["labels"] as? Int == 8 && health["uptime_seconds"] is Double)
            #expect(running.requests.filter { $0.status == 200 && $0.audioSeconds == 1 }.count == 3)
        }
    }
}
