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

    /// How many clusters there are.
    public var count: Int { centroids.size(0) }
    /// Numbers a vector.
    public var dimension: Int { centroids.size(1) }

    /// The nearest center of each vector; of equally near ones the first.
    ///
    /// - Parameters:
    ///   - vectors: [vectors, dimension].
    ///   - device: Where to compute.
    /// - Returns: A cluster from 0 for each vector.
    /// - Throws: ``FeatureError/dimension(found:expected:)``; `TorchError.operation` if LibTorch refuses.
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

/// Finds the nearest of some centers.
struct NearestCentroid {
    let centroids: Tensor
    private let halfNorms: Tensor

    init(_ centroids: Tensor) throws {
        self.centroids = centroids
        halfNorms = try centroids.squared().sum(1) * 0.5
    }

    /// Parts of a matrix, small enough that the distances to all centers fit into 64 MB.
    func chunks(of vectors: Tensor) throws -> [Tensor] {
        let size = max(1, (1 << 24) / centroids.size(0))
        return try stride(from: 0, to: vectors.size(0), by: size).map {
            try vectors.rows($0..<min($0 + size, vectors.size(0)))
        }
    }

    /// For [vectors, dimension] on the centers' device: int64 [vectors].
    ///
    /// ‖x − c‖² is least where x·c − ‖c‖²/2 is greatest.
    func callAsFunction(_ vectors: Tensor) throws -> Tensor {
        try (vectors.matmul(centroids.transposed()) - halfNorms).argmax(1)
    }

    /// For [vectors, dimension] and their clusters: the squared distance of each to its own center.
    func squaredDistances(_ vectors: Tensor, _ clusters: Tensor) throws -> Tensor {
        try (vectors - centroids.taking(clusters)).squared().sum(1)
    }

    /// The sum of each cluster's vectors, and their number.
    func sums(_ vectors: Tensor, _ clusters: Tensor) throws -> (sums: Tensor, counts: Tensor) {
        // A product instead of a scattered sum: the order of addition is always the same.
        let range = try Tensor.range(0..<centroids.size(0), device: centroids.device)
        let choice = try clusters.unsqueezed(-1).equals(range).to(dtype: vectors.dtype)
        return (try choice.transposed().matmul(vectors), try choice.sum(0))
    }
}
