import W2VBackbone
import W2VObjectives
import W2VTorch

/// A forward pass to log-probabilities.
final class InferenceBenchmark: BenchmarkTask {
    private let model: CTCModel
    private let inference: CTCInference
    private let noise: Tensor
    private let samples: [Int]
    private let oneByOne: Bool

    /// Prepares a model and noise.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - samples: Number of samples of each utterance.
    ///   - device: The device that the model runs on.
    ///   - oneByOne: Whether each utterance is a batch of its own.
    /// - Throws: `TorchError` if LibTorch cannot make the noise.
    init(_ model: CTCModel, samples: [Int], on device: Device, oneByOne: Bool) throws {
        self.model = model
        self.samples = samples
        self.oneByOne = oneByOne
        noise = try Tensor.normal([samples.reduce(0, +)], generator: Generator(seed: 1)).to(device: device)
        inference = CTCInference(model, on: device)
    }

    func step() throws -> StepCounts {
        let places = RaggedLayout(samples)
        var frames = 0
        try withoutGradient {
            for pass in oneByOne ? (0..<places.count).map({ $0..<$0 + 1 }) : [0..<places.count] {
                let rows = places.offsets[pass.lowerBound]..<places.offsets[pass.upperBound]
                let (scores, layout) = try inference(noise.rows(rows), lengths: Array(samples[pass]))
                try profiled(.labels) { _ = try scores.rows(0..<1).sum().item() }
                frames += layout.total
            }
        }
        return StepCounts(
            samples: samples.reduce(0, +), frames: frames, maskedFrames: nil,
            operations: model.operations(samples: samples).inference)
    }
}
