import Foundation
import TestSupport
import Testing

@testable import W2VProgram

@Suite(.onTestThreads) struct ScalingTests {
    @Test func stepsAreMeasuredAndPredicted() throws {
        try withTemporaryFolder { folder in
            let trace = folder.appendingPathComponent("step.json")
            let picture = folder.appendingPathComponent("step.svg")
            let outcome = try run(
                "benchmark", "scaling", "--processes", "2", "--utterances", "1x0.3", "--repetitions", "1", "--model",
                "--network-bandwidth", "0.1", "--nodes", "2", "--c10d-reducer", "--trace", trace.path,
                "--timeline", picture.path, "--json")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let object = try outcome.json()
            let measured = try #require((object["measurements"] as? [[String: Any]])?.first)
            let bytes = try #require(measured["bytes"] as? Int)
            let buckets = try #require(measured["buckets"] as? Int)
            // BASE has 95 million parameters; they are sent in pieces of 25 MB and more.
            #expect((360_000_000..<400_000_000).contains(bytes) && (8...15).contains(buckets))
            for name in ["step_s", "summing_after_s", "summing_during_s", "reducer_s", "backward_s", "update_s"] {
                #expect((measured[name] as? Double ?? 0) > 0, "\(name)")
            }
            for name in ["hidden_share", "first_bucket_share"] {
                #expect((0...1).contains(measured[name] as? Double ?? -1), "\(name)")
            }
            let added = ["waiting_during_s", "waiting_reducer_s"].compactMap { measured[$0] as? Double }
            #expect(added.count == 2 && measured["exchange_s"] == nil)
            #expect((measured["all_reduce"] as? [Any])?.count == 5)
            try expectModel(object)
            try expectTrace(trace, buckets: buckets)
            let drawn = try String(contentsOf: picture, encoding: .utf8)
            // Four parts of each rank's step, its buckets, and four keys.
            #expect(drawn.components(separatedBy: "<rect class=\"bar").count - 1 == 2 * (4 + buckets) + 4)
        }
    }

    @Test func aShardedOptimizerExchangesParameters() throws {
        let link = ScalingModel.Link(bandwidth: 1e9, latency: 1e-6)
        func points(zeroSharding: Bool) -> [ScalingModel.Point] {
            ScalingModel(
                microBatches: 8, microBatchS: 0.3, backwardS: 0.2, optimizerS: 0.08, bytes: 100_000_000,
                lastBucketBytes: 10_000_000, firstBucketShare: 0.5, zeroSharding: zeroSharding, local: link,
                network: link, gpusPerNode: 8
            ).points(nodes: 1)
        }
        let (whole, sharded) = (points(zeroSharding: false), points(zeroSharding: true))
        for (whole, sharded) in zip(whole, sharded) {
            let gpus = Double(whole.gpus)
            #expect(whole.sentBytes == sharded.sentBytes && whole.allReduceS == sharded.allReduceS)
            #expect(whole.sentBytes == 2 * (gpus - 1) / gpus * 1e8)
            // The backward pass hides at most half of the traffic, and nothing of the last bucket's tenth.
            let half = sharded.allReduceS / 2
            #expect(abs(sharded.waitingS - (whole.gpus == 1 ? 0 : half / 10 + half)) < 1e-9)
            let update = try #require(sharded.updateS)
            #expect(abs(update - (8 / gpus * 0.3 + sharded.waitingS + 0.08 / gpus)) < 1e-9)
        }
        let refused = try run("benchmark", "scaling", "--zero-sharding", "--c10d-reducer")
        #expect(refused.code == 64 && refused.errors.contains("exclude each other"))
    }

    private func expectModel(_ object: [String: Any]) throws {
        let model = try #require(object["model"] as? [String: Any])
        let points = try #require(object["predictions"] as? [[String: Any]])
        #expect(points.compactMap { $0["gpus"] as? Int } == [1, 2, 4, 8, 16])
        #expect(points.map { $0["nvidia_speedup"] as? Double } == [1, nil, 3.69, 6.96, nil])
        let microBatch = try #require(model["micro_batch_s"] as? Double)
        let optimizer = try #require(model["optimizer_s"] as? Double)
        for point in points.prefix(4) {
            let gpus = try #require(point["gpus"] as? Int)
            let update = try #require(point["update_s"] as? Double)
            let waiting = try #require(point["waiting_s"] as? Double)
            #expect(abs(update - (Double(8 / gpus) * microBatch + waiting + optimizer)) < 1e-9 * update)
            #expect((point["speedup"] as? Double ?? 99) <= Double(gpus) + 1e-9)
        }
        // Two machines: 2 · 15/16 of the bytes at 0.1 GB/s.
        let bytes = try #require(model["bytes"] as? Int)
        #expect((points[4]["all_reduce_s"] as? Double ?? 0) >= 2 * 15 / 16 * Double(bytes) / 0.1e9)
        #expect(points[4]["update_s"] == nil)
    }

    private func expectTrace(_ file: URL, buckets: Int) throws {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let events = try #require(object?["traceEvents"] as? [[String: Any]])
        for rank in 0..<2 {
            let own = events.filter { $0["pid"] as? Int == rank }
            #expect(
                own.filter { $0["ph"] as? String == "X" }.compactMap { $0["name"] as? String }
                    == ["forward", "backward", "wait for sums", "clip and Adam"])
            #expect(own.allSatisfy { ($0["ts"] as? Double ?? 0) >= 0 })
            for phase in ["b", "e"] { #expect(own.filter { $0["ph"] as? String == phase }.count == buckets) }
        }
    }
}
