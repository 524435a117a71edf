import Foundation
import TestSupport
import Testing
import W2VBase
import W2VInference
import W2VTorch

@testable import W2VFeatures

@Suite(.onTestThreads) struct KMeansTests {
    private func vectors(_ points: [[Double]]) throws -> Tensor {
        try Tensor(points.flatMap { $0.map { Float($0) } }, shape: [points.count, points[0].count])
    }

    /// Points around some centers, and the index of each point's center.
    private func blobs(_ count: Int, of centers: [[Double]], spread: Double, seed: UInt64) -> ([[Double]], [Int]) {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        let labels = (0..<count).map { $0 % centers.count }
        return (labels.map { label in centers[label].map { $0 + spread * stream.normal() } }, labels)
    }

    /// The least mean squared distance of any partition into at most `clusters` parts.
    private func bestInertia(_ points: [[Double]], clusters: Int) -> Double {
        var best = Double.infinity
        var labels = Array(repeating: 0, count: points.count)
        func cost() -> Double {
            var sum = 0.0
            for cluster in 0..<clusters {
                let own = points.indices.filter { labels[$0] == cluster }
                for axis in points[0].indices where !own.isEmpty {
                    let values: [Double] = own.map { points[$0][axis] }
                    let mean = values.reduce(0, +) / Double(values.count)
                    for value in values { sum += (value - mean) * (value - mean) }
                }
            }
            return sum
        }
        func place(_ index: Int, used: Int) {
            guard index < points.count else { return best = min(best, cost() / Double(points.count)) }
            for label in 0..<min(used + 1, clusters) {
                labels[index] = label
                place(index + 1, used: max(used, label + 1))
            }
        }
        place(0, used: 0)
        return best
    }

    @Test(arguments: [UInt64(1), 2, 3]) func findsTheBestPartition(seed: UInt64) throws {
        var stream = RandomStream(seed: seed, purpose: .synthesis)
        let points = (0..<8).map { _ in [stream.normal(), stream.normal()] }
        var options = KMeansOptions()
        options.restarts = 20
        let result = try KMeans.train(vectors(points), count: 3, options: options)
        #expect(abs(result.inertia - bestInertia(points, clusters: 3)) < 1e-6)
        #expect(result.runs.count == 20 && result.runs.min() == result.inertia)
        #expect(result.sizes.reduce(0, +) == 8)
    }

    @Test func miniBatchesFindWhatIsThere() throws {
        let centers: [[Double]] = [[0, 0, 0], [10, 7, -3], [20, 28, -6], [30, 28, -9], [40, 7, -12]]
        let (points, labels) = blobs(3_000, of: centers, spread: 0.5, seed: 9)
        var options = KMeansOptions()
        options.batchSize = 100
        let tensor = try vectors(points)
        let result = try KMeans.train(tensor, count: 5, options: options)
        // Three dimensions, each with a variance of ¼.
        #expect(abs(result.inertia - 0.75) < 0.05)
        #expect(result.sizes == Array(repeating: 600, count: 5))
        let found = try result.clusters.assign(tensor)
        var pairs: Set<[Int]> = []
        for (label, cluster) in zip(labels, found) { pairs.insert([label, cluster]) }
        #expect(pairs.count == 5)
        // The nearest center by definition.
        let centroids = try result.clusters.centroids.elements(Double.self)
        for (point, cluster) in zip(points, found).prefix(50) {
            var distances: [Double] = []
            for center in 0..<5 {
                var sum = 0.0
                for axis in 0..<3 { sum += pow(point[axis] - centroids[center * 3 + axis], 2) }
                distances.append(sum)
            }
            #expect(distances[cluster] == distances.min())
        }
    }

    @Test func aSeedGivesTheSameBits() throws {
        let (points, _) = blobs(500, of: [[0, 0], [3, 1], [1, 4]], spread: 1, seed: 2)
        func centroids(_ seed: UInt64) throws -> [Float] {
            var options = KMeansOptions()
            (options.seed, options.batchSize, options.restarts) = (seed, 50, 2)
            return try KMeans.train(vectors(points), count: 12, options: options).clusters.centroids.elements()
        }
        #expect(try centroids(4) == centroids(4))
        #expect(try centroids(4) != centroids(5))
    }

    @Test func emptyClustersAreMoved() throws {
        // 995 points in one place and five far away: the first batch of ten hardly ever has all of them.
        var points: [[Double]] = Array(repeating: [0, 0], count: 995)
        for number in 1...5 { points.append([100 * Double(number), 50]) }
        var options = KMeansOptions()
        (options.batchSize, options.restarts, options.passes) = (10, 1, 1)
        let result = try KMeans.train(vectors(points), count: 6, options: options)
        #expect(result.inertia == 0 && result.sizes.sorted() == [1, 1, 1, 1, 1, 995])
    }

    @Test func pointsThatAreEqualLeaveClustersEmpty() throws {
        let result = try KMeans.train(vectors([[1, 2], [1, 2], [1, 2], [5, 5]]), count: 3)
        #expect(result.inertia == 0 && result.sizes.sorted() == [0, 1, 3])
    }

    @Test func impossibleRequestsAreNamed() throws {
        let few = try vectors([[1, 2], [3, 4]])
        #expect(throws: FeatureError.tooFewFrames(clusters: 3, frames: 2)) { try KMeans.train(few, count: 3) }
        #expect(throws: FeatureError.self) { try KMeans.train(few, count: 0) }
        #expect(throws: FeatureError.self) { try KMeans.train(vectors([[.nan, 2], [3, 4]]), count: 1) }
        #expect(throws: FeatureError.dimension(found: 3, expected: 2)) {
            try KMeans(centroids: few).assign(vectors([[1, 2, 3]]))
        }
        #expect(try KMeans(centroids: few).assign(Tensor.zeros([0, 2])) == [])
    }

    @Test func framesAreChosenByRecordingAndSeed() throws {
        let frames = try Tensor.range(0..<400).to(dtype: .float32).reshaped(200, 2)
        let sample = FrameSample(100, of: 1_000, seed: 3)
        let counts: [Int] = try (0..<50).map { try sample(frames, recording: $0).size(0) }
        #expect(abs(Double(counts.reduce(0, +)) / 10_000 - 0.1) < 0.01)
        #expect(try sample(frames, recording: 1).elements(Float.self) == sample(frames, recording: 1).elements())
        #expect(try sample(frames, recording: 1).elements(Float.self) != sample(frames, recording: 2).elements())
        #expect(try FrameSample(1_000, of: 1_000, seed: 3)(frames, recording: 0).size(0) == 200)
    }

    @Test func unitsKnowTheirModel() async throws {
        try await withTemporaryFolder { folder in
            let featurizer = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder))
            let request = FeatureRequest([.transformer(2)])
            let recording = Recording(samples: tonesInNoise(30_000, seed: 1))
            let features = try await featurizer.features([recording], request)[0].get()[0]
            let result = try KMeans.train(features.values, count: 4)
            let file = folder.appendingPathComponent("units.safetensors")
            try UnitModel(result, request, of: featurizer, seed: 1).write(to: file)
            let units = try UnitModel(contentsOf: file)
            #expect(units.request == request && units.inertia == result.inertia && units.sizes == result.sizes)
            try units.require(featurizer, path: "units")
            #expect(try units.units(features) == result.clusters.assign(features.values))

            let other = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder, named: "other", seed: 8))
            #expect {
                try units.require(other, path: "units")
            } throws: {
                if case FeatureError.otherCheckpoint(units: "units", _, _) = $0 { true } else { false }
            }
            var wide = try SmallModels.configuration()
            wide.encoderEmbedDim = 48
            let third = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder, named: "wide", wide))
            #expect(throws: FeatureError.dimension(found: 48, expected: 32)) {
                try units.require(third, path: "units")
            }
            let wrong = try await third.features([recording], request)[0].get()[0]
            #expect(throws: FeatureError.dimension(found: 48, expected: 32)) { try units.units(wrong) }
            #expect(throws: FeatureError.self) {
                try UnitModel(contentsOf: folder.appendingPathComponent("model/model.safetensors"))
            }
        }
    }
}
