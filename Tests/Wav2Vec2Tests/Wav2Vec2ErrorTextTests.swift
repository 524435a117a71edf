import Foundation
import TestSupport
import Testing
import W2VBackbone

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct Wav2Vec2ErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                ConfigurationError("there is no key 'x'", "the nearest is 'y'").at("my.yaml:3: "),
                ConfigurationError.malformed,
            ],
            declaredIn: [])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
