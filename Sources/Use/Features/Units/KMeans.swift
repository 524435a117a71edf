import Foundation
import W2VBase
import W2VTorch

/// k-means clusters of vectors.
public struct KMeans: Sendable {
    /// The clusters' centers, [clusters, dimension], FP32 in host memory.
    public let centroids: Tensor

    /// Makes clusters from their centers.
    ///
    /// - Parameter centroids: [clusters, dimension], FP32 in host memory.
    public init(centroids: Tensor) { self.centroids = centroids }

    /// The number of clusters.
    public var count: Int { centroids.size(0) }
    /// The length of a vector.
    public var dimension: Int { centroids.size(1) }

    /// Returns the nearest center of each vector; of equally near ones, the first.
    ///
    /// - Parameters:
    ///   - vectors: [vectors, dimension].
    ///   - device: The device that computes.
    /// - Returns: The cluster of each vector, from 0.
    /// - Throws: ``FeatureError/dimension(found:expected:)``; `TorchError`.
    public func assign(_ vectors: Tensor, on device: Device = .cpu) throws -> [Int] {
        guard vectors.rank == 2, vectors.size(1) == dimension else {
            throw FeatureError.dimension(found: vectors.size(-1), expected: dimension)
        }
        let search = try NearestCentroid(centroids.to(device: device))
        return try withoutGradient {
            try search.chunks(of: vectors).flatMap { try search($0.to(device: device)).elements(Int.self) }
        }
    }
}

/// Finds the nearest center of vectors.
struct NearestCentroid {
    let centroids: Tensor
    private let halfNorms: Tensor

    init(_ centroids: Tensor) throws {
        self.centroids = centroids
        halfNorms = try centroids.squared().sum(1) * 0.5
    }

    /// Splits a matrix into parts that are small enough for the distances to all centers to fit into 64 MB.
    func chunks(of vectors: Tensor) throws -> [Tensor] {
        let size = max(1, (1 << 24) / centroids.size(0))
        return try stride(from: 0, to: vectors.size(0), by: size).map {
            try vectors.rows($0..<min($0 + size, vectors.size(0)))
        }
    }

    /// Returns the nearest center of each vector: int64 [vectors], for [vectors, dimension] on the centers' device.
    ///
    /// ‖x − c‖² is least where x·c − ‖c‖²/2 is greatest.
    func callAsFunction(_ vectors: Tensor) throws -> Tensor {
        try (vectors.matmul(centroids.transposed()) - halfNorms).argmax(1)
    }

    /// Returns the squared distance of each vector to its own center.
    func squaredDistances(_ vectors: Tensor, _ clusters: Tensor) throws -> Tensor {
        try (vectors - centroids.taking(clusters)).squared().sum(1)
    }

    /// Returns the sum and the number of each cluster's vectors.
    func sums(_ vectors: Tensor, _ clusters: Tensor) throws -> (sums: Tensor, counts: Tensor) {
        // A matrix product instead of a scattered sum: the order of addition is always the same.
        let range = try Tensor.range(0..<centroids.size(0), device: centroids.device)
        let choice = try clusters.unsqueezed(-1).equals(range).to(dtype: vectors.dtype)
        return (try choice.transposed().matmul(vectors), try choice.sum(0))
    }
}
