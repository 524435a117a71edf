import Foundation
import Synchronization
import TestSupport
import Testing
import W2VInference

@testable import W2VDecoding
@testable import W2VRecognition

/// The memory that recordings of hours take.
@Suite(.onTestThreads) struct LongRecordingTests {
    #if canImport(Glibc)
    /// Only the text of the past is kept.
    ///
    /// In a process of its own: the memory of other tests would be counted too.
    @Test func moreMinutesCostTheirTextOnly() async {
        await #expect(processExitsWith: .success) {
            let recognizer = try await SmallModels.recognizer(
                batchSeconds: 20, windows: WindowOptions(seconds: 10, overlap: 2), normalizes: false)
            let minutes = 5
            let beep = tonesInNoise(16_000, seed: 2)
            let recording = Recording(named: "long", sampleCount: minutes * 60 * beep.count) {
                var position = 0
                return { count in
                    let range = position..<min(position + count, minutes * 60 * beep.count)
                    position = range.upperBound
                    return range.map { beep[$0 % beep.count] }
                }
            }
            var measured: [Int] = []
            let results = try await recognizer.transcriptions(of: Recordings([recording]), detail: .text).all { _ in
                measured.append(Self.heapInUse())
            }
            let transcription = try results[0].get()
            // The first and last passes read and write less than the others.
            let (early, late) = (measured.dropFirst(5).prefix(5).min()!, measured.dropLast(5).suffix(5).min()!)
            precondition(measured.count > 30 && early > 0 && transcription.text.count > 5000)
            precondition(transcription.words.isEmpty && transcription.characters.isEmpty)
            // The log-probabilities of the time in between would be 320 kB, the characters with times 500 kB.
            precondition(late - early < 200_000, "\(late - early) bytes more")
        }
    }

    /// The number of bytes that are allocated and not freed, from the C library's `malloc_info`.
    private static func heapInUse() -> Int {
        typealias Report = @convention(c) (Int32, UnsafeMutablePointer<FILE>) -> Int32
        var (text, size): (UnsafeMutablePointer<CChar>?, Int) = (nil, 0)
        guard let stream = open_memstream(&text, &size), let function = dlsym(nil, "malloc_info") else { return 0 }
        precondition(unsafeBitCast(function, to: Report.self)(0, stream) == 0 && fclose(stream) == 0)
        defer { free(text) }
        // After the arenas follow the totals: the free bytes in two kinds of lists, the mapped bytes, and all bytes.
        let sums = text.flatMap { String(cString: $0).components(separatedBy: "</heap>").last } ?? ""
        func sum(_ kind: String) -> Int {
            let value = sums.components(separatedBy: "type=\"\(kind)\"")[1].components(separatedBy: "size=\"")[1]
            return Int(value.prefix { $0.isNumber }) ?? 0
        }
        return sum("current") + sum("mmap") - sum("fast") - sum("rest")
    }
    #endif

    /// The amount of detail does not change the details that are kept.
    @Test func lessDetailChangesNothingElse() async throws {
        let recognizer = try await SmallModels.recognizer(windows: WindowOptions(seconds: 2, overlap: 0.5))
        let recording = Recording(samples: tonesInNoise(67_890, seed: 4))
        let whole = try await recognizer.transcribe([recording])[0].get()
        #expect(whole.words.count > 2 && whole.text == whole.words.map(\.text).joined(separator: " "))
        for detail in [TranscriptionDetail.text, .words] {
            var expected = whole
            expected.characters = []
            if detail == .text { expected.words = [] }
            #expect(try await recognizer.transcribe([recording], detail: detail)[0].get() == expected)
        }
    }
}
