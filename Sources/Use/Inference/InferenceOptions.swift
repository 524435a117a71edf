import W2VBackbone
import W2VTorch

/// The device, batch size, windows and precision of inference.
public struct InferenceOptions: Sendable {
    /// The device that computes.
    public var device: Device
    /// The seconds of audio in one pass of the model, at most, unless a single window is longer.
    public var batchSeconds: Double
    /// The windows of recordings that are too long for one pass.
    public var windows: WindowOptions
    /// The number formats of the model.
    public var precision: ModelPrecision

    /// Makes options.
    public init(
        device: Device = .cpu, batchSeconds: Double = 60, windows: WindowOptions = WindowOptions(),
        precision: ModelPrecision = ModelPrecision()
    ) {
        self.device = device
        self.batchSeconds = batchSeconds
        self.windows = windows
        self.precision = precision
    }

    /// Checks that windows can be cut and that the batch length is not negative.
    ///
    /// - Throws: ``InferenceError``.
    public func validate() throws(InferenceError) {
        guard windows.isValid else { throw .badWindows(seconds: windows.seconds, overlap: windows.overlap) }
        guard batchSeconds >= 0 else {
            throw .badOption(name: "batchSeconds", value: batchSeconds, expected: "at least 0")
        }
    }

    /// Moves a model to the device and converts its layers for inference in the precision.
    ///
    /// - Throws: `TorchError` about the device.
    public func prepare(_ model: some ConvertibleModel) throws {
        try device.prepare()
        if device != .cpu {
            for parameter in model.parameters() { parameter.tensor = try parameter.tensor.to(device: device) }
        }
        try model.convert(for: .inference, on: device, precision: precision)
    }
}
