import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VRecognition
@testable import W2VServing

@Suite struct LiveInputTests {
    /// Raw audio.
    private func raw(_ count: Int, seed: UInt64) -> Data {
        tonesInNoise(count, seed: seed).map { Int16(max(-32_768, min(32_767, $0 * 32_768))) }
            .withUnsafeBytes { Data($0) }
    }

    /// The events of a recognizer for chunks that arrive one after another.
    private func events(_ recognizer: Recognizer, _ pieces: [Data], rate: Int = 16_000) async throws -> [LiveEvent] {
        var live = try LiveRecognizer(recognizer, sampleRate: rate)
        var events: [LiveEvent] = []
        for piece in pieces { events += try await live.append(rawSamples(piece)) }
        return events + (try await live.finish())
    }

    private func events(_ texts: [String]) throws -> [LiveEvent] {
        try texts.map { try JSONDecoder().decode(LiveEvent.self, from: Data($0.utf8)) }
    }

    @Test(arguments: [16_000, 8_000])
    func eventsAreThoseOfTheLiveRecognizer(rate: Int) async throws {
        try await withServer { running in
            let bytes = raw(rate * 4, seed: 6)
            let pieces = stride(from: 0, to: bytes.count, by: 7_002).map { Data(bytes[$0...].prefix(7_002)) }
            let metrics = running.server.core.metrics
            let (texts, code) = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                let answer = try client.openWebSocket(rate == 16_000 ? "/v1/live" : "/v1/live?rate=\(rate)")
                #expect(answer.status == 101)
                #expect(answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                var seconds = 0.0
                for (index, piece) in pieces.enumerated() {
                    if index % 2 == 0 {
                        client.sendFrame(2, piece)
                    } else {
                        // In two frames, with a ping between them.
                        client.sendFrame(2, piece.prefix(7), isLast: false)
                        client.sendFrame(9, Data("hello".utf8))
                        client.sendFrame(0, piece.dropFirst(7))
                    }
                    // Chunks that wait for the model share a pass, whose result differs from those of a pass per chunk.
                    seconds += Double(piece.count / 2) / Double(rate)
                    while running.heardSeconds < seconds - 1e-6 { Thread.sleep(forTimeInterval: 0.002) }
                }
                client.sendFrame(1, Data("end".utf8))
                return try client.messages()
            }
            #expect(code == 1000)
            let found = try events(texts)
            #expect(try await found == events(running.recognizer, pieces, rate: rate))
            #expect(found.contains { $0.event == .partial } && found.contains { $0.event == .final })
            try await eventually { running.requests.contains { $0.status == 101 && $0.audioSeconds == 4 } }
            #expect(metrics.liveCount == 0)
        }
    }

    @Test func closingGivesWhatIsLeft() async throws {
        try await withServer { running in
            let bytes = raw(24_000, seed: 6)
            let (texts, code) = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, bytes)
                client.sendFrame(8, Data([3, 232]))
                return try client.messages()
            }
            #expect(code == 1000)
            #expect(try await events(texts) == events(running.recognizer, [bytes]))
        }
    }

    @Test(arguments: [
        ("?rate=10", 2 as UInt8, 4, 1008), ("?rate=x", 2, 4, 1008), ("?rate=16000&rate=8000", 2, 4, 1008),
        ("?sample_rate=8000", 2, 4, 1008), ("?rate=8000&lang=de", 2, 4, 1008), ("", 1, 4, 1008),
        ("", 2, (4 << 20) + 2, 1009), ("", 0, 2, 1002),
        ("", 0x42, 4, 1002), ("", 9, 126, 1002), ("", 3, 0, 1002),
    ])
    func whatIsNotSpokenIsRefused(query: String, opcode: UInt8, size: Int, code: Int) async throws {
        try await withServer { running in
            let answer = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live" + query)
                client.sendFrame(opcode, Data(count: size))
                let messages = try client.messages()
                #expect(client.isClosed())
                return messages
            }
            #expect(answer.code == code)
            let event = try JSONSerialization.jsonObject(with: Data(try #require(answer.texts.last).utf8))
            let object = try #require(event as? [String: String])
            #expect(object["event"] == "error" && object["message"]?.isEmpty == false)
        }
    }

    @Test(arguments: [[333], [1_999, 2_001], [1], [3, 4]])
    func messagesOfOddLengthAreOneStream(sizes: [Int]) async throws {
        try await withServer { running in
            // Fewer samples than the model waits for: they share a pass, however they arrived.
            let bytes = raw(7_000, seed: 6)
            let (texts, code) = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                var rest = bytes[...]
                var turn = 0
                while !rest.isEmpty {
                    client.sendFrame(2, Data(rest.prefix(sizes[turn % sizes.count])))
                    rest = rest.dropFirst(sizes[turn % sizes.count])
                    turn += 1
                }
                client.sendFrame(1, Data("end".utf8))
                return try client.messages()
            }
            #expect(code == 1000)
            #expect(try await events(texts) == events(running.recognizer, [bytes]))
        }
    }

    /// Half a sample, and a byte that may start a file, yield no samples yet.
    @Test func nothingNewIsNotTheEnd() async throws {
        let inbox = LiveBuffer(seconds: 1)
        let reading = Task { [await inbox.next()?.samples, await inbox.next()?.samples] }
        try await Task.sleep(for: .milliseconds(100))
        await inbox.add([], rate: 16_000)
        try await Task.sleep(for: .milliseconds(50))
        await inbox.add([0.5], rate: 8_000)
        await inbox.end()
        #expect(await reading.value == [[0.5], nil])
    }

    /// At the highest rate, 30 s would be 120 MB.
    @Test func highRatesTakeNoMoreMemory() async throws {
        let inbox = LiveBuffer(seconds: 1)
        let isAdded = Mutex(false)
        let adding = Task {
            await inbox.add(Array(repeating: 0.5, count: 48_001), rate: 1_000_000)
            isAdded.withLock { $0 = true }
        }
        try await Task.sleep(for: .milliseconds(200))
        #expect(!isAdded.withLock { $0 })
        #expect(await inbox.next()?.samples.count == 48_001)
        await adding.value
        await inbox.add(Array(repeating: 0.5, count: 48_000), rate: 1_000_000)
    }

    @Test(arguments: [3e38 as Float, .nan]) func samplesBeyondAllScalesAreTheInputsFault(sample: Float) async throws {
        try await withServer(mode: .layerNorm) { running in
            let audio = try wave(Array(repeating: 0.5, count: 24_000), as: .wavFloat)
            // More samples than the last frame leaves out.
            let bad = (0..<1000).reduce(into: Data()) { bytes, _ in
                withUnsafeBytes(of: sample.bitPattern.littleEndian) { bytes += $0 }
            }
            let answer = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, audio.dropLast(4000) + bad)
                client.sendFrame(1, Data("end".utf8))
                return try client.messages()
            }
            #expect(answer.code == 1008 && answer.texts.last?.contains("times full scale") == true, "\(answer)")
            #expect(running.troubles.isEmpty, "\(running.troubles)")
        }
    }

    @Test func halfASampleAtTheEndIsReported() async throws {
        try await withServer { running in
            let bytes = raw(7_000, seed: 6)
            let answer = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, bytes + [7])
                client.sendFrame(1, Data("end".utf8))
                return try client.messagesAndReason()
            }
            #expect(answer.code == 1000 && answer.reason.contains("half a sample"))
            #expect(try await events(answer.texts) == events(running.recognizer, [bytes]))
        }
    }

    @Test(arguments: [
        Array("RIFF\u{24}\u{0}\u{0}\u{0}AVI LIST".utf8), [0x1A, 0x45, 0xDF, 0xA3, 0x9F, 0x42, 0x86, 0x81],
        Array("OggS\u{0}\u{2}\u{0}\u{0}".utf8), [0, 0, 0, 32] + Array("ftypM4A ".utf8),
    ])
    func filesAreNotHeardAsSamples(header: [UInt8]) async throws {
        try await withServer { running in
            for size in [2, 5, 1_000] {
                let file = Data(header) + raw(8_000, seed: 6)
                let answer = try await onThread { [port = running.port] in
                    let client = try TestClient(port: port)
                    try client.openWebSocket("/v1/live")
                    client.sendFrame(2, file.prefix(size))
                    client.sendFrame(2, file.dropFirst(size))
                    return try client.messages()
                }
                #expect(answer.code == 1003 && answer.texts.count == 1)
                #expect(answer.texts.first?.contains("begins like a") == true, "\(answer.texts)")
            }
            #expect(running.heardSeconds == 0)
        }
    }

    @Test func aWaveStreamIsHeardLikeItsSamples() async throws {
        try await withServer { running in
            let bytes = raw(40_000, seed: 6)
            func said(_ target: String, _ pieces: [Data]) async throws -> (texts: [String], code: Int) {
                try await onThread { [port = running.port] in
                    let client = try TestClient(port: port)
                    try client.openWebSocket(target)
                    for piece in pieces { client.sendFrame(2, piece) }
                    client.sendFrame(1, Data("end".utf8))
                    return try client.messages()
                }
            }
            func header(rate: UInt32, size: UInt32 = .max) -> Data {
                var header = Data("RIFF".utf8)
                func add(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number.littleEndian) { header += $0 } }
                add(size)
                header += Data("WAVEfmt ".utf8)
                add(16 as UInt32)
                add(1 as UInt16)
                add(1 as UInt16)
                add(rate)
                add(2 * rate)
                add(2 as UInt16)
                add(16 as UInt16)
                header += Data("data".utf8)
                add(size)
                return header
            }
            let expected = try await said("/v1/live?rate=16000", [bytes])
            #expect(expected.code == 1000 && !expected.texts.isEmpty)
            let whole = header(rate: 16_000) + bytes
            for (target, pieces) in [
                ("/v1/live", [whole]), ("/v1/live?rate=16000", [whole.prefix(7), whole.dropFirst(7)]),
                ("/v1/live", [header(rate: 16_000, size: 80_000) + bytes + Data("LIST of no samples".utf8)]),
            ] {
                let found = try await said(target, pieces.map { Data($0) })
                #expect(found.code == 1000 && found.texts.last == expected.texts.last, "\(target): \(found)")
                #expect(found.texts.first == #"{"event":"format","format":"WAV file","rate":16000}"#)
            }
            let slow = try await said("/v1/live", [header(rate: 8_000) + bytes])
            #expect(try await slow.texts.last == said("/v1/live?rate=8000", [bytes]).texts.last)
            let other = try await said("/v1/live?rate=16000", [header(rate: 8_000) + bytes])
            #expect(other.code == 1008 && other.texts.last?.contains("says 8000 samples a second") == true, "\(other)")
        }
    }

    /// The events of the audio before an invalid message come first.
    @Test(arguments: [(1 as UInt8, 5, 1008), (2, (4 << 20) + 2, 1009), (0, 2, 1002), (5, 2, 1002)])
    func whatWasHeardIsNotLost(opcode: UInt8, size: Int, code: Int) async throws {
        try await withServer { running in
            let bytes = raw(24_000, seed: 6)
            let answer = try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, bytes)
                while running.heardSeconds < 1.5 { Thread.sleep(forTimeInterval: 0.002) }
                client.sendFrame(opcode, Data(count: size))
                return try client.messages()
            }
            #expect(answer.code == code)
            let expected = try await events(running.recognizer, [bytes])
            #expect(expected.contains { $0.event == .final })
            #expect(try events(Array(answer.texts.dropLast())) == expected)
            #expect(answer.texts.last?.contains("\"error\"") == true)
        }
    }

    @Test func clientsThatVanishAreForgotten() async throws {
        try await withServer { running in
            let bytes = raw(16_000, seed: 6)
            try await onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, bytes)
            }
            try await eventually { running.requests.contains { $0.status == 101 } }
            #expect(running.server.core.metrics.liveCount == 0)
        }
    }

    @Test func stoppingEndsLiveInputWithWhatWasHeard() async throws {
        try await withServer { running in
            let bytes = raw(24_000, seed: 6)
            async let heard = onThread { [port = running.port] in
                let client = try TestClient(port: port)
                try client.openWebSocket("/v1/live")
                client.sendFrame(2, bytes)
                return try client.messages()
            }
            // Some audio is processed, and then the server stops.
            try await eventually { running.heardSeconds == 1.5 }
            await running.server.stop(within: .seconds(60))
            let (texts, code) = try await heard
            #expect(code == 1001)
            #expect(try await events(texts) == events(running.recognizer, [bytes]))
        }
    }

    @Test func asManyAsMayWaitAreOpen() async throws {
        try await withServer {
            $0.maximumWaiting = 1
        } _: { running in
            try await onThread { [port = running.port] in
                let (first, second) = try (TestClient(port: port), TestClient(port: port))
                #expect(try first.openWebSocket("/v1/live").status == 101)
                #expect(try second.openWebSocket("/v1/live").status == 429)
                first.sendFrame(1, Data("end".utf8))
                #expect(try first.messages().texts.isEmpty)
            }
            try await eventually { running.server.core.metrics.liveCount == 0 }
        }
    }
}
