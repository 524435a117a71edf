import Foundation
import Testing

/// Help texts are snapshots in `Tests/Fixtures/help`; `UPDATE_SNAPSHOTS=1 swift test --filter HelpTests` renews them.
@Suite struct HelpTests {
    private static let snapshots = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/help")

    private static func compare(_ name: String, _ text: String) throws {
        let file = snapshots.appendingPathComponent(name + ".txt")
        if ProcessInfo.processInfo.environment["UPDATE_SNAPSHOTS"] == "1" {
            try FileManager.default.createDirectory(at: snapshots, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let expected = try String(contentsOf: file, encoding: .utf8)
        #expect(text == expected, "the help of \(name) changed: look at it, and renew the snapshot")
    }

    @Test(arguments: [
        "", "pretrain", "finetune", "launch", "evaluate", "transcribe", "serve", "data", "data manifest",
        "data combine",
        "data convert", "data labels", "data dictionary", "data librispeech", "checkpoint", "checkpoint inspect",
        "checkpoint convert", "checkpoint verify", "checkpoint average", "checkpoint fetch", "benchmark",
        "benchmark pretrain", "benchmark inference", "benchmark data", "benchmark kernels", "benchmark scaling",
        "benchmark decoding", "report",
        "curves", "doctor", "align", "lm", "lm build", "lm tune", "lm convert", "lm inspect",
        "features", "units", "units codes", "units train", "units apply", "units quality",
    ])
    func helpIsAsRecorded(command: String) throws {
        let words = command.split(separator: " ").map(String.init)
        let outcome = try run(words + ["--help"])
        #expect(outcome.code == 0)
        #expect(outcome.errors == "")
        for line in outcome.output.split(separator: "\n") where !line.hasPrefix("USAGE:") {
            #expect(line.count <= 80)
        }
        try Self.compare((["wav2vec2"] + words).joined(separator: "-"), outcome.output)
    }
}
