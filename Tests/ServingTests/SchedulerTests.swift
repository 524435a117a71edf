import Foundation
import Synchronization
import TestSupport
import Testing
import W2VRecognition

@testable import W2VServing

/// A model that answers only when a test allows it, so that the test knows which requests have arrived meanwhile.
private final class HeldModel: Sendable {
    private let passes = Mutex<[[Int]]>([])
    private let isOpen = Mutex(false)

    /// The lengths in samples of the recordings of each pass that has started.
    var begun: [[Int]] { passes.withLock { $0 } }

    func open() { isOpen.withLock { $0 = true } }

    func transcribe(_ recordings: [Recording]) async throws -> [Result<Transcription, any Error>] {
        passes.withLock { $0.append(recordings.map(\.sampleCount)) }
        while !isOpen.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(2)) }
        return recordings.map {
            .success(Transcription(text: String($0.sampleCount), words: [], confidence: 1, duration: 1))
        }
    }
}

@Suite struct SchedulerTests {
    private let model = HeldModel()
    private let room = WaitingRoom(most: 64)
    private let metrics = Metrics()
    private let scheduler: Scheduler

    init() {
        scheduler = Scheduler(batchSeconds: 1, metrics: metrics) { [model] recordings, _ in
            try await model.transcribe(recordings)
        }
    }

    /// Makes a request for a recording of this many samples.
    private func request(_ count: Int, isLong: Bool = false) throws -> Task<String, any Error> {
        let upload = DecodedUpload(recording: Recording(samples: [Float](repeating: 0, count: count)), isLong: isLong)
        let place = try room.enter()
        return Task {
            defer { place.leave() }
            return try await scheduler.recognize(upload, detail: .text, place: place).text
        }
    }

    /// Makes requests that arrive in turn while the model works on the first of them.
    private func requests(_ counts: [Int], isLong: Bool = false) async throws -> [Task<String, any Error>] {
        let before = model.begun.count
        var tasks = [try request(counts[0], isLong: isLong)]
        while model.begun.count == before { try await Task.sleep(for: .milliseconds(2)) }
        for (index, count) in counts.dropFirst().enumerated() {
            tasks.append(try request(count, isLong: isLong))
            while await (isLong ? scheduler.long : scheduler.short).count <= index {
                try await Task.sleep(for: .milliseconds(2))
            }
        }
        return tasks
    }

    @Test func whatComesMeanwhileGoesTogether() async throws {
        let counts = [4_000, 6_000, 6_000, 3_999, 5_000, 400, 17_000, 401]
        let short = try await requests(counts)
        let long = try await requests([50_000, 60_000], isLong: true)
        #expect(room.current == WaitingRoom.Counts(waiting: 8, running: 2))
        model.open()
        for (task, count) in zip(short, counts) { #expect(try await task.value == String(count)) }
        #expect(try await [long[0].value, long[1].value] == ["50000", "60000"])
        #expect(room.current == WaitingRoom.Counts())
        // As many as fit into a second, in the order of arrival; a request that does not fit goes alone.
        let passes = model.begun
        #expect(passes.filter { $0[0] < 50_000 } == [[4_000], [6_000, 6_000, 3_999], [5_000, 400], [17_000], [401]])
        #expect(passes.filter { $0[0] >= 50_000 } == [[50_000], [60_000]])
        let text = metrics.text(WaitingRoom.Counts(), uptime: 0)
        #expect(
            text.contains("wav2vec2_batch_recordings_count 5\n") && text.contains("wav2vec2_batch_recordings_sum 8"))
    }

    @Test(arguments: [false, true])
    func whatIsGivenUpIsNotRecognized(isLong: Bool) async throws {
        let tasks = try await requests([4_000, 5_000, 6_000], isLong: isLong)
        tasks[1].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[1].value }
        model.open()
        #expect(try await [tasks[0].value, tasks[2].value] == ["4000", "6000"])
        #expect(room.current == WaitingRoom.Counts())
        #expect(model.begun == [[4_000], [6_000]])
    }

    @Test func aLongRecordingIsGivenUpWhileItIsRecognized() async throws {
        let tasks = try await requests([4_000, 5_000], isLong: true)
        tasks[0].cancel()
        await #expect(throws: CancellationError.self) { try await tasks[0].value }
        model.open()
        #expect(try await tasks[1].value == "5000")
        #expect(model.begun == [[4_000], [5_000]])
    }

    @Test func whatFailsFailsAlone() async throws {
        struct Broken: Error {}
        let scheduler = Scheduler(batchSeconds: 1, metrics: metrics) { recordings, _ in
            if recordings[0].sampleCount == 1 { throw Broken() }
            return recordings.map { _ in .failure(RecognitionError.tooShort(recording: "x", samples: 2, needed: 400)) }
        }
        for isLong in [false, true] {
            let place = try room.enter()
            func recognize(_ count: Int) async throws {
                let recording = Recording(samples: [Float](repeating: 0, count: count))
                _ = try await scheduler.recognize(
                    DecodedUpload(recording: recording, isLong: isLong), detail: .text, place: place)
            }
            await #expect(throws: Broken.self) { try await recognize(1) }
            await #expect(throws: RecognitionError.self) { try await recognize(2) }
        }
    }
}
