import Foundation
import W2VBase
import W2VTorch

/// The options of k-means clustering.
public struct KMeansOptions: Sendable, Equatable {
    /// The seed of every random choice: the same vectors, options and number of threads give the same clusters.
    public var seed: UInt64 = 1
    /// The number of runs from new random centers; the run with the least inertia is kept.
    public var restarts = 3
    /// The number of vectors of a mini-batch.
    public var batchSize = 10_000
    /// The most mini-batches, in units of passes over all vectors.
    public var passes = 20
    /// The number of mini-batches without a better inertia after which a run has converged.
    public var patience = 50
    /// The most final passes over all vectors (Lloyd 1982), which end early when nothing changes any more.
    public var polishingPasses = 10

    /// Makes the default options: seed 1, three runs, batches of 10,000.
    public init() {}

    func validate() throws(FeatureError) {
        for (name, value) in [
            ("restarts", restarts), ("batch size", batchSize), ("passes", passes), ("patience", patience),
        ] where value < 1 { throw .badOption(name: name, reason: "expected at least 1, found \(value)") }
    }
}

/// The result of k-means clustering.
public struct KMeansResult: Sendable {
    /// The clusters.
    public let clusters: KMeans
    /// The mean squared distance of a vector to its center.
    public let inertia: Double
    /// The number of vectors of each cluster.
    public let sizes: [Int]
    /// The inertia of every run, in order.
    public let runs: [Double]
}

extension KMeans {
    /// Finds clusters by mini-batch k-means (Sculley 2010) from k-means++ centers (Arthur and Vassilvitskii 2007).
    ///
    /// Clusters that stay empty move to vectors that are far from their centers. The vectors stay in host memory; one
    /// batch at a time is on the device.
    ///
    /// - Parameters:
    ///   - vectors: [vectors, dimension], FP32 in host memory.
    ///   - count: The number of clusters.
    ///   - options: The seed, the number of runs and the sizes.
    ///   - device: The device that computes.
    ///   - progress: Called after every mini-batch or pass with the run (from 1), the batch and the mean squared
    ///     distance.
    /// - Returns: The best run's clusters.
    /// - Throws: ``FeatureError`` when there are fewer vectors than clusters or an option is impossible,
    ///   `CancellationError`, `TorchError`.
    public static func train(
        _ vectors: Tensor, count: Int, options: KMeansOptions = KMeansOptions(), on device: Device = .cpu,
        progress: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws -> KMeansResult {
        try options.validate()
        guard count >= 1 else {
            throw FeatureError.badOption(name: "clusters", reason: "expected at least 1, found \(count)")
        }
        guard vectors.size(0) >= count else {
            throw FeatureError.tooFewFrames(clusters: count, frames: vectors.size(0))
        }
        guard try vectors.isFinite() else {
            throw FeatureError.badOption(name: "the features", reason: "some are not finite numbers")
        }
        var best: Run?
        var inertias: [Double] = []
        for number in 1...options.restarts {
            var run = Run(vectors, count: count, options: options, device: device, number: number)
            try withoutGradient { try run.train { progress(number, $0, $1) } }
            inertias.append(run.inertia)
            if run.inertia < best?.inertia ?? .infinity { best = run }
        }
        guard let best else { throw FeatureError.badOption(name: "the features", reason: "some are too large") }
        return KMeansResult(
            clusters: KMeans(centroids: try best.centroids.to(device: .cpu)), inertia: best.inertia, sizes: best.sizes,
            runs: inertias)
    }
}

/// One run from random centers to clusters.
private struct Run {
    let vectors: Tensor
    let count: Int
    let options: KMeansOptions
    let device: Device
    private var stream: RandomStream
    /// The centers, [clusters, dimension], on the device.
    var centroids: Tensor
    /// The mean squared distance over all vectors, once trained.
    var inertia = Double.infinity
    /// The number of vectors of each cluster, once trained.
    var sizes: [Int] = []
    /// The squared distance of each vector to its center, as of the last pass over all vectors.
    private var distances: [Double] = []

    init(_ vectors: Tensor, count: Int, options: KMeansOptions, device: Device, number: Int) {
        self.vectors = vectors
        self.count = count
        self.options = options
        self.device = device
        stream = RandomStream(seed: options.seed, purpose: .clustering, step: number)
        centroids = vectors
    }

    private var total: Int { vectors.size(0) }

    mutating func train(progress: (Int, Double) -> Void) throws {
        centroids = try start()
        var step = 0
        if total > options.batchSize {
            try learn { inertia in
                step += 1
                progress(step, inertia)
            }
        }
        // A final pass always measures; the ones before move the centers to the means.
        var previous = Double.infinity
        for pass in 0...options.polishingPasses {
            try Task.checkCancellation()
            let (sums, counts) = try measure()
            step += 1
            progress(step, inertia)
            let isSettled = inertia >= previous && !sizes.contains(0)
            if isSettled || pass == options.polishingPasses { break }
            previous = inertia
            centroids = try means(sums, counts)
            if sizes.contains(0) { try moveEmpty() }
        }
    }

    // MARK: Start

    /// Returns random vectors, distinct if there are enough, in random order.
    private mutating func sample(_ wanted: Int) throws -> Tensor {
        if wanted >= total { return try vectors.to(device: device) }
        // Floyd's algorithm for sampling distinct numbers.
        var chosen: Set<Int> = []
        for last in (total - wanted)..<total {
            let number = stream.integer(below: last + 1)
            chosen.insert(chosen.contains(number) ? last : number)
        }
        return try vectors.taking(Tensor(chosen.sorted())).to(device: device)
    }

    /// Chooses centers by k-means++: each one is drawn by its squared distance to the nearest center so far, as the
    /// best of several.
    private mutating func start() throws -> Tensor {
        let candidates = try sample(max(3 * options.batchSize, 3 * count))
        let size = candidates.size(0)
        let trials = 2 + Int(log(Double(count)))
        let norms = try candidates.squared().sum(1)
        func distances(_ rows: [Int]) throws -> [[Double]] {
            let centers = try candidates.taking(Tensor(rows).to(device: device))
            let products = try centers.matmul(candidates.transposed())
            let own = try centers.squared().sum(1, keepingDimensions: true)
            return try (norms - products * 2 + own).clamped(below: 0).split(Array(repeating: 1, count: rows.count))
                .map { try $0.elements(Double.self) }
        }
        var chosen = [stream.integer(below: size)]
        var nearest = try distances(chosen)[0]
        // Rounding must not let a center be chosen twice.
        nearest[chosen[0]] = 0
        while chosen.count < count {
            let sum = nearest.reduce(0, +)
            let rows = (0..<trials).map { _ in draw(nearest, sum: sum, besides: chosen) }
            var best: (row: Int, sum: Double, nearest: [Double])?
            for (row, distances) in zip(rows, try distances(rows)) {
                var closer = zip(nearest, distances).map { min($0, $1) }
                closer[row] = 0
                let potential = closer.reduce(0, +)
                if potential < best?.sum ?? .infinity { best = (row, potential, closer) }
            }
            guard let best else { throw FeatureError.badOption(name: "the features", reason: "some are too large") }
            chosen.append(best.row)
            nearest = best.nearest
        }
        return try candidates.taking(Tensor(chosen).to(device: device))
    }

    /// Draws an index with a probability proportional to its weight; if all weights are 0, any index not chosen yet.
    private mutating func draw(_ weights: [Double], sum: Double, besides chosen: [Int]) -> Int {
        if sum > 0 {
            var rest = stream.uniform() * sum
            for (index, weight) in weights.enumerated() where weight > 0 {
                rest -= weight
                if rest < 0 { return index }
            }
            if let last = weights.lastIndex(where: { $0 > 0 }) { return last }
        }
        let taken = Set(chosen)
        let free = weights.indices.filter { !taken.contains($0) }
        return free.isEmpty ? stream.integer(below: weights.count) : free[stream.integer(below: free.count)]
    }

    // MARK: Mini-batches

    private mutating func learn(progress: (Double) -> Void) throws {
        let steps = (options.passes * total + options.batchSize - 1) / options.batchSize
        // The number of vectors that each center has been the mean of so far.
        var weights = try Tensor.zeros([count], device: device)
        // A cluster that no vector joins in this many batches is empty.
        let watched = max(10, (total + options.batchSize - 1) / options.batchSize)
        var joined = try Tensor.zeros([count], device: device)
        var average: Double?
        var best = (inertia: Double.infinity, step: 0)
        for step in 1...steps {
            try Task.checkCancellation()
            let batch = try sample(options.batchSize)
            let search = try NearestCentroid(centroids)
            let clusters = try search(batch)
            let distances = try search.squaredDistances(batch, clusters)
            let (sums, counts) = try search.sums(batch, clusters)
            weights = try weights + counts
            joined = try joined + counts
            // c ← c + (Σx − n·c) / N: the mean of all vectors assigned to the center so far.
            let change = try (sums - centroids * counts.unsqueezed(1)) / weights.clamped(below: 1).unsqueezed(1)
            centroids = try centroids + change

            let inertia = try distances.mean().item()
            progress(inertia)
            let share = min(1, 2 * Double(options.batchSize) / Double(total + 1))
            let smoothed = average.map { $0 + (inertia - $0) * share } ?? inertia
            average = smoothed
            if smoothed < best.inertia { best = (smoothed, step) }
            if step - best.step >= options.patience { break }
            guard step % watched == 0 else { continue }
            let counted = try joined.elements(Double.self)
            let empty = counted.indices.filter { counted[$0] == 0 }
            if !empty.isEmpty {
                try move(empty, to: far(batch, distances.elements(Double.self), count: empty.count))
                // A moved center learns as fast as a new one.
                let fresh = try Tensor(counted.map { Float($0 == 0 ? 0 : 1) }).to(device: device)
                weights = try weights * fresh
            }
            joined = try joined.zerosLike()
        }
    }

    /// Returns some of the vectors, drawn by their squared distance to their own centers.
    private mutating func far(_ vectors: Tensor, _ distances: [Double], count: Int) throws -> Tensor {
        var weights = distances
        var rows: [Int] = []
        for _ in 0..<min(count, distances.count) {
            let row = draw(weights, sum: weights.reduce(0, +), besides: rows)
            rows.append(row)
            weights[row] = 0
        }
        return try vectors.taking(Tensor(rows).to(device: vectors.device)).to(device: device)
    }

    private mutating func move(_ clusters: [Int], to places: Tensor) throws {
        let moved = Array(clusters.prefix(places.size(0)))
        centroids = try centroids.replacing(Tensor(moved).to(device: device), with: places)
    }

    // MARK: All vectors

    /// Makes one pass: sets inertia, sizes and distances, and returns the sums and counts of the means.
    private mutating func measure() throws -> (sums: Tensor, counts: Tensor) {
        let search = try NearestCentroid(centroids)
        var sums = try Tensor.zeros(centroids.shape, dtype: .float64, device: device)
        var counts = try Tensor.zeros([count], dtype: .float64, device: device)
        distances = []
        distances.reserveCapacity(total)
        for chunk in try search.chunks(of: vectors) {
            let part = try chunk.to(device: device)
            let clusters = try search(part)
            let (own, number) = try search.sums(part, clusters)
            sums = try sums + own
            counts = try counts + number
            distances += try search.squaredDistances(part, clusters).elements(Double.self)
        }
        inertia = distances.reduce(0, +) / Double(total)
        sizes = try counts.elements(Double.self).map { Int($0) }
        return (sums, counts)
    }

    /// Returns the mean of each cluster; an empty cluster keeps its center.
    private func means(_ sums: Tensor, _ counts: Tensor) throws -> Tensor {
        let means = try (sums / counts.clamped(below: 1).unsqueezed(1)).to(dtype: .float32)
        let isEmpty = try counts.equals(0).unsqueezed(1)
        return try Tensor.choose(isEmpty, centroids, else: means)
    }

    /// Moves the centers of empty clusters to vectors that are far from their centers.
    private mutating func moveEmpty() throws {
        let empty = sizes.indices.filter { sizes[$0] == 0 }
        try move(empty, to: far(vectors, distances, count: empty.count))
    }
}
