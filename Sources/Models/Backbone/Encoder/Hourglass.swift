import W2VKernels
import W2VTorch

/// Merges each group of `factor` rows into one.
package final class Downsampler: Module {
    @Child("linear") var linear: Linear?
    private let factor: Int

    init(channels: Int, factor: Int, _ resampling: HourglassLayout.Resampling, initializer: Initializer) throws {
        self.factor = factor
        super.init()
        linear =
            try resampling == .linear
            ? Linear(channels * factor, channels, start: .normal(0.02), initializer: initializer) : nil
    }

    /// Maps [rows, channels] to [rows / factor, channels].
    func callAsFunction(_ input: Tensor) throws -> Tensor {
        if let linear { return try linear(input.reshaped(-1, factor * input.size(1))) }
        return try input.reshaped(-1, factor, input.size(1)).mean(1)
    }
}

/// Expands each row to `factor` rows.
package final class Upsampler: Module {
    @Child("linear") var linear: Linear?
    private let factor: Int

    init(channels: Int, factor: Int, _ resampling: HourglassLayout.Resampling, initializer: Initializer) throws {
        self.factor = factor
        super.init()
        linear =
            try resampling == .linear
            ? Linear(channels, channels * factor, start: .normal(0.02), initializer: initializer) : nil
    }

    /// Maps [rows, channels] to [rows · factor, channels].
    func callAsFunction(_ input: Tensor) throws -> Tensor {
        if let linear { return try linear(input).reshaped(-1, input.size(1)) }
        return try input.repeatedInterleaved(factor, 0)
    }
}

/// The shortened part of an Hourglass Transformer.
///
/// Source: Nawrot et al. 2021.
package final class Hourglass: Module {
    @Child("downsample_layer") package var downsample: Downsampler
    @Child("hourglass_layers") package var layers: [EncoderLayer]
    @Child("upsample_layer") package var upsample: Upsampler
    @Child("post_layers") var post: [EncoderLayer]
    package let factor: Int

    init(_ configuration: ModelConfiguration, _ hourglass: HourglassLayout, initializer: Initializer) throws {
        factor = hourglass.factor
        super.init()
        let channels = configuration.encoderEmbedDim
        downsample = try Downsampler(
            channels: channels, factor: factor, configuration.hourglassResample, initializer: initializer)
        layers = try (0..<hourglass.middle).map { _ in try EncoderLayer(configuration, initializer: initializer) }
        upsample = try Upsampler(
            channels: channels, factor: factor, configuration.hourglassResample, initializer: initializer)
        post = try (0..<hourglass.post).map { _ in try EncoderLayer(configuration, initializer: initializer) }
    }

    /// The layout with every utterance filled up to a multiple of the factor, and the place of each row there; nil if
    /// nothing is filled.
    private func filled(_ layout: RaggedLayout) -> (layout: RaggedLayout, places: ShapeConstant?) {
        let filled = layout.roundedUp(toMultipleOf: factor)
        guard filled != layout else { return (filled, nil) }
        return (
            filled, ShapeConstant("filled rows", [factor] + layout.lengths) { layout.positions(in: filled) }
        )
    }

    /// Returns the constants that a pass over a layout reads.
    func shapeConstants(_ layout: RaggedLayout) -> [ShapeConstant] {
        let (filled, places) = filled(layout)
        let shortened = RaggedLayout(filled.lengths.map { $0 / factor })
        return (places.map { [$0] } ?? []) + (layers.first?.attention.shapeConstants(shortened) ?? [])
    }

    /// Shortens each utterance, runs `body` at the shortened length, expands, and adds the residual: x +
    /// up(body(down(x))).
    ///
    /// Utterances are zero-padded to a multiple of the factor; the padding takes part in attention through the group
    /// that it completes, and is dropped when the utterance is expanded.
    package func callAsFunction(
        _ input: Tensor, _ layout: RaggedLayout, probe: ((String, Tensor) -> Void)?,
        _ body: (Tensor, RaggedLayout) throws -> Tensor
    ) throws -> Tensor {
        let (filled, constant) = filled(layout)
        let places = try constant?(on: input.device)
        var hidden = try places.map { try input.placingRows(at: $0, in: filled.total) } ?? input
        hidden = try downsample(hidden)
        probe?("downsample_layer", hidden)
        hidden = try body(hidden, RaggedLayout(filled.lengths.map { $0 / factor }))
        hidden = try upsample(hidden)
        probe?("upsample_layer", hidden)
        if let places { hidden = try hidden.takingRows(places) }
        return try hidden + input
    }
}
