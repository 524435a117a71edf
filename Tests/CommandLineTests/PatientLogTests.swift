import Foundation
import Synchronization
import TestSupport
import Testing

@testable import W2VProgram

@Suite(.onTestThreads) struct PatientLogTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    /// A reader that takes nothing holds up nobody; what had no room is counted.
    @Test func aReaderThatStopsHoldsUpNobody() async throws {
        let (lines, gate) = (Lines(), DispatchSemaphore(value: 0))
        let log = PatientLog(most: 3) { lines.add("\($0) dropped") }
        log.add {
            gate.wait()
            lines.add("0")
        }
        for number in 1..<6 { log.add { lines.add("\(number)") } }
        log.finish(within: 0.05)
        #expect(lines.all.isEmpty)
        gate.signal()
        log.finish(within: 60)
        #expect(lines.all == ["0", "3 dropped", "1", "2"])
        log.add { lines.add("6") }
        log.finish(within: 60)
        #expect(lines.all.last == "6" && lines.all.count == 5)
    }
}
