import Foundation
import W2VBackbone
import W2VBase
import W2VInterchange
import W2VTorch

/// Clusters of a model's features, whose indices serve as pseudo-phonemes.
///
/// Stored as a safetensors file with `centroids` [clusters, dimension] and `sizes`, and the layer and the model's
/// fingerprint in its metadata.
public struct UnitModel: Sendable {
    /// The clusters.
    public let clusters: KMeans
    /// The number of training frames of each cluster.
    public let sizes: [Int]
    /// The layer whose features were clustered.
    public let layer: FeatureLayer
    /// Whether an Hourglass's shortened layer was brought to the rate of the others.
    public let upsamples: Bool
    /// The name of the model.
    public let checkpoint: String
    /// The fingerprint that identifies the model.
    public let fingerprint: String
    /// The mean squared distance of the training's frames to their centers.
    public let inertia: Double
    /// The random seed of the clustering.
    public let seed: UInt64

    private static let format = "wav2vec2 units"

    /// Makes a unit model of clusters and their origin.
    ///
    /// - Parameters:
    ///   - result: The clusters.
    ///   - request: The layer, exactly one, and its rate.
    ///   - featurizer: The model.
    ///   - seed: The random seed of the clustering.
    /// - Throws: ``FeatureError/badOption(name:reason:)`` for several layers, or pooled ones.
    public init(_ result: KMeansResult, _ request: FeatureRequest, of featurizer: Featurizer, seed: UInt64) throws {
        guard request.layers.count == 1, request.pooling == .none else {
            throw FeatureError.badOption(name: "units", reason: "expected the frames of one layer")
        }
        clusters = result.clusters
        sizes = result.sizes
        layer = request.layers[0]
        upsamples = request.upsamples
        checkpoint = featurizer.name
        fingerprint = featurizer.fingerprint
        inertia = result.inertia
        self.seed = seed
    }

    /// Reads a file.
    ///
    /// - Parameter url: A file from ``write(to:)``.
    /// - Throws: `SafetensorsError` when it is not a safetensors file, ``FeatureError/damaged(file:reason:)`` when its
    ///   content is not a unit model.
    public init(contentsOf url: URL) throws {
        func damaged(_ reason: String) -> FeatureError { .damaged(file: url.path, reason: reason) }
        let file = try SafetensorsFile(url)
        let metadata = file.metadata
        guard metadata["format"] == Self.format else {
            throw damaged("it is not a file of clusters")
        }
        let tensors = try TensorFile.read(url)
        guard let centroids = tensors["centroids"], centroids.rank == 2, centroids.dtype == .float32,
            centroids.count > 0, try centroids.isFinite()
        else { throw damaged("it has no centroids") }
        guard let layer = metadata["layer"].flatMap({ FeatureLayer($0) }), let fingerprint = metadata["fingerprint"],
            let inertia = metadata["inertia"].flatMap(Double.init), let seed = metadata["seed"].flatMap(UInt64.init),
            let upsamples = metadata["upsample"].flatMap(Bool.init)
        else { throw damaged("it does not say which layer of which model it is for") }
        clusters = KMeans(centroids: centroids)
        sizes = try tensors["sizes"]?.elements(Int.self) ?? []
        self.layer = layer
        self.upsamples = upsamples
        checkpoint = metadata["checkpoint"] ?? "another checkpoint"
        self.fingerprint = fingerprint
        self.inertia = inertia
        self.seed = seed
    }

    /// Writes a file; replaces an old one only with a complete new one.
    ///
    /// - Parameter url: The file.
    /// - Throws: `FileWriteError` when the disk is full or the system fails.
    public func write(to url: URL) throws {
        AtomicFile.removeLeftovers(of: url)
        try TensorFile.write(
            ["centroids": clusters.centroids, "sizes": Tensor(sizes)],
            metadata: [
                "format": Self.format, "layer": layer.description, "upsample": String(upsamples),
                "checkpoint": checkpoint, "fingerprint": fingerprint, "inertia": String(inertia), "seed": String(seed),
            ], to: url)
    }

    /// The request of the layer's features to a featurizer.
    public var request: FeatureRequest { FeatureRequest([layer], upsamples: upsamples) }

    /// Checks that a model is the one whose features were clustered.
    ///
    /// - Parameters:
    ///   - featurizer: The model.
    ///   - path: The units' name in error messages.
    /// - Throws: ``FeatureError``, naming the difference.
    public func require(_ featurizer: Featurizer, path: String) throws {
        try require(
            fingerprint: featurizer.fingerprint, of: featurizer.name, featurizer.configuration, path: path)
    }

    /// Checks that a checkpoint is the one whose features were clustered; reads all of its weights.
    ///
    /// - Parameters:
    ///   - checkpoint: The checkpoint.
    ///   - path: The units' name in error messages.
    /// - Throws: ``FeatureError``, naming the difference.
    public func require(_ checkpoint: Checkpoint, path: String) throws {
        try require(
            fingerprint: checkpoint.fingerprint(), of: checkpoint.url.relativePath,
            checkpoint.description.model, path: path)
    }

    private func require(
        fingerprint: String, of name: String, _ configuration: ModelConfiguration, path: String
    ) throws(FeatureError) {
        if let stage = try? LayerStage(layer, in: configuration), stage.dimension != clusters.dimension {
            throw .dimension(found: stage.dimension, expected: clusters.dimension)
        }
        guard fingerprint == self.fingerprint else {
            throw .otherCheckpoint(units: path, trainedOn: checkpoint, checkpoint: name)
        }
    }

    /// Returns the units of a recording.
    ///
    /// - Parameters:
    ///   - features: The features of this model's layer, frame by frame.
    ///   - device: The device that computes.
    /// - Returns: The cluster of each frame, from 0.
    /// - Throws: ``FeatureError/dimension(found:expected:)``; `TorchError`.
    public func units(_ features: LayerFeatures, on device: Device = .cpu) throws -> [Int] {
        try clusters.assign(features.values, on: device)
    }
}
