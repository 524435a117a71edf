import W2VKernels
import W2VTorch

/// The first block of a group-norm extractor in one pass: convolution, normalization, GELU.
///
/// The normalization cancels any constant, so the bias has neither effect nor gradient.
final class FusedFirstBlock: RecomputingBlock {
    override func callAsFunction(_ input: ExtractorActivation, _ rows: ExtractorRows) throws -> ExtractorActivation {
        guard let groupNorm, hasKernel(for: input.values, groupNorm) else {
            return try super.callAsFunction(input, rows)
        }
        if let source = rows.source {
            return ExtractorActivation(
                try normalizedSignalConvolution(
                    parts: input.finished(), rows.layout, of: source, weight, gain: groupNorm.weight,
                    bias: groupNorm.bias, stride: stride, epsilon: groupNorm.epsilon))
        }
        let (values, recompute) = try normalizedSignalConvolution(
            input.finished(), weight, gain: groupNorm.weight, bias: groupNorm.bias, stride: stride, rows.layout,
            valid: rows.valid, epsilon: groupNorm.epsilon)
        return ExtractorActivation(values, recompute: rows.kept.contains(.firstLayer) ? nil : recompute)
    }

    override func shapeConstants(_ rows: ExtractorRows) -> [ShapeConstant] {
        guard let groupNorm,
            NormalizedSignalKernels.supports(
                weight: weight, gain: groupNorm.weight, bias: groupNorm.bias, stride: stride)
        else { return [] }
        return [NormalizedSignalKernels.table(rows.layout.kernelRows(valid: rows.valid))]
    }

    /// Returns whether the kernels support parts: the statistics come from whole utterances in any case.
    override func supportsParts(of signal: Tensor) -> Bool {
        groupNorm.map { hasKernel(for: signal, $0) } ?? super.supportsParts(of: signal)
    }

    private func hasKernel(for signal: Tensor, _ norm: RaggedGroupNorm) -> Bool {
        NormalizedSignalKernels.supports(weight: weight, gain: norm.weight, bias: norm.bias, stride: stride)
            || SignalKernels.supports(signal, weight: weight)
    }
}
