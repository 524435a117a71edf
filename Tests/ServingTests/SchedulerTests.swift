import Foundation
import Recognition
import TestSupport
import Testing

@testable import Serving

@Suite struct SchedulerTests {
    private func job(_ seconds: Double, seed: UInt64, isLong: Bool = false) -> DecodedUpload {
        DecodedUpload(
            recording: Recording(samples: SmallModels.samples(Int(seconds * 16_000), seed: seed)), isLong: isLong)
    }

    private func counted(_ metrics: Metrics, _ name: String) throws -> Int {
        let lines = metrics.text(WaitingRoom.Counts(), uptime: 0).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("wav2vec2_\(name) ") })
        return try #require(Int(line.split(separator: " ")[1]))
    }

    @Test func whatComesMeanwhileGoesTogether() async throws {
        let recognizer = try Recognizer(
            model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: true, batchSeconds: 10)
        let metrics = Metrics()
        let room = WaitingRoom(most: 64)
        let scheduler = Scheduler(recognizer, metrics: metrics)
        let jobs = (0..<12).map { job(1, seed: UInt64($0), isLong: $0 == 3) }
        let results = try await withThrowingTaskGroup(of: (Int, Transcription).self) { group in
            for (index, job) in jobs.enumerated() {
                let place = try room.enter()
                group.addTask {
                    defer { place.leave() }
                    return (index, try await scheduler.recognize(job, detail: .words, place: place))
                }
            }
            return try await group.reduce(into: [Int: Transcription]()) { $0[$1.0] = $1.1 }
        }
        #expect(room.current == WaitingRoom.Counts())
        for (index, job) in jobs.enumerated() {
            let alone = try await recognizer.transcribe([job.recording])[0].get()
            #expect(results[index]?.text == alone.text && results[index]?.words.map(\.end) == alone.words.map(\.end))
        }
        // The first ones, those that came while these were heard, and those for which the second pass had no room.
        let passes = try counted(metrics, "batch_recordings_count")
        #expect(passes >= 2 && passes <= 6, "\(passes) passes")
    }

    @Test func whatIsGivenUpIsNotRecognised() async throws {
        let recognizer = try Recognizer(
            model: SmallModels.ctcModel(), symbols: SmallModels.symbols, normalizes: true,
            windows: WindowOptions(seconds: 1, overlap: 0))
        let metrics = Metrics()
        let room = WaitingRoom(most: 8)
        let scheduler = Scheduler(recognizer, metrics: metrics)
        for isLong in [false, true] {
            let tasks = try (0..<3).map { index in
                let (job, place) = (job(4, seed: UInt64(index), isLong: isLong), try room.enter())
                return Task {
                    defer { place.leave() }
                    return try await scheduler.recognize(job, detail: .text, place: place)
                }
            }
            tasks[2].cancel()
            await #expect(throws: CancellationError.self) { try await tasks[2].value }
            for task in tasks.prefix(2) { #expect(try await task.value.duration == 4) }
        }
        #expect(room.current == WaitingRoom.Counts())
    }
}
