import W2VKernels
import W2VTorch

/// A model whose layers can be replaced by faster ones.
public protocol ConvertibleModel: Module {
    /// Replaces the layers by those of a conversion, with the same parameters under the same names.
    func replaceLayers(for conversion: Conversion) throws
}

extension ConvertibleModel {
    /// Converts the model for a purpose.
    ///
    /// For training in half precision the caller lowers the parameters afterward (`FlatParameters.lower`), since the
    /// optimizer keeps FP32 ones. A model converted for inference can no longer be trained.
    ///
    /// - Parameter device: The model's device.
    /// - Throws: ``ConfigurationError`` for int8 on a GPU; `TorchError.runtime` for fp8 on a GPU that is too old for
    ///   it.
    public func convert(for purpose: Conversion.Purpose, on device: Device, precision: ModelPrecision) throws {
        guard precision.mode != .int8 || device == .cpu else {
            throw ConfigurationError("int8 is a precision of the CPU", "on \(device) choose fp16 or bf16")
        }
        precision.prepare(device)
        if precision.mode == .fp8 { try Float8Weight.check(on: device) }
        try replaceLayers(for: Conversion(for: purpose, on: device, precision: precision))
        guard purpose == .inference, precision.mode.isHalf else { return }
        for parameter in parameters() where !precision.keepsExact(parameter.name) {
            parameter.tensor = try parameter.tensor.detached().to(dtype: precision.mode.dtype)
        }
    }
}

extension Wav2Vec2Model: ConvertibleModel {
    /// Replaces the layers of the extractor, the projection and the encoder.
    public func replaceLayers(for conversion: Conversion) throws {
        featureExtractor.replaceChildren(conversion.extractorLayer)
        projection = try projection.map(conversion.product)
        try encoder.replaceChildren(conversion.encoderLayer)
    }
}
