import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VTorch

@testable import W2VTraining

/// Runs of version 0.1, interrupted between two lines of the log: they resume, and end like in that version.
///
/// With `WAV2VEC2_WRITE_OLDER_RUNS=1` a checkout of that version rewrites `Tests/Fixtures/runs`.
@Suite(.onTestThreads, .serialized) struct OlderRunTests {
    private static let fixtures = Repository.fixtures.appendingPathComponent("runs")
    private static let writes = ProcessInfo.processInfo.environment["WAV2VEC2_WRITE_OLDER_RUNS"] != nil
    private static let assignments = [
        "model.encoder_embed_dim=16", "model.encoder_ffn_embed_dim=24", "model.conv_pos=8", "logging.log_every=3",
        "checkpoint.save_every=100", "optimization.ema=0.9", "logging.tensorboard=false",
    ]

    init() { LibTorch.threads = 1 }

    @Test(arguments: [TrainingJob.Kind.pretraining, .finetuning])
    func resumesAndEndsAsItsOwnProgramEndedIt(_ task: TrainingJob.Kind) throws {
        let corpus = try SyntheticCorpus()
        let (name, manager) = (task.rawValue, FileManager.default)
        let fixture = Self.fixtures.appendingPathComponent(name)
        var job = try corpus.job(task, "run", Self.assignments)
        if Self.writes {
            // The run ends after the fourth update, when its log's second line has begun.
            var asked = 0
            _ = try Trainer(job).run {
                asked += 1
                return asked > 5 ? SIGTERM : nil
            }
            try? manager.removeItem(at: fixture)
            try manager.createDirectory(at: fixture, withIntermediateDirectories: true)
            for part in ["last", "metrics.jsonl"] {
                try manager.copyItem(at: corpus.file("run/\(part)"), to: fixture.appendingPathComponent(part))
            }
        } else {
            try manager.copyItem(at: fixture, to: corpus.file("run"))
            try manager.removeItem(at: corpus.file("run/expected.jsonl"))
        }
        #expect(try TrainingState.read(corpus.file("run/last")).update == 4)
        job.resume = true
        #expect(try Trainer(job).run() == .finished)
        let expected = fixture.appendingPathComponent("expected.jsonl")
        if Self.writes { try manager.copyItem(at: corpus.file("run/metrics.jsonl"), to: expected) }

        let then = try String(contentsOf: expected, encoding: .utf8).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        var compared = 0
        for kind in ["train", "valid", "valid_ema"] {
            let (before, now) = (then.of(kind), try corpus.metrics("run").of(kind))
            try #require(before.count == now.count && !now.isEmpty)
            for (old, new) in zip(before, now) {
                for key in old.keys
                where !["seconds", "_second", "rss", "wait", "utilisation"].contains(where: key.contains) {
                    guard let wanted = old[key] as? Double else { continue }
                    let found = try #require(new[key] as? Double, "\(kind) \(key)")
                    // Another processor rounds its sums differently.
                    #expect(
                        abs(found - wanted) <= 1e-3 * max(0.01, abs(wanted)), "\(kind) \(key): \(found), not \(wanted)")
                    compared += 1
                }
            }
        }
        #expect(compared > 20)
    }
}

extension [[String: Any]] {
    /// The lines of a kind.
    fileprivate func of(_ kind: String) -> Self { filter { $0["kind"] as? String == kind } }
}
