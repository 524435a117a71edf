import CW2VKernels
import W2VTorch

/// A strided convolution over time-major rows that computes two outputs at a time, with five products instead of six.
///
/// It handles 3 taps with stride 2, which account for most of the feature extractor's operations. Two consecutive
/// outputs share an input row and, by Winograd's minimal filtering, one product: a sixth of all products is saved,
/// forward and in both gradients. Differences of input rows are computed in the cache, as is GELU of the input. Source:
/// Winograd 1980, Lavin and Gray 2016.
public struct PairedConvolution: Sendable {
    private let packed: Tensor
    private let sizes: Sizes

    private struct Sizes {
        let outputs: Int
        let channels: Int

        init(_ weight: Tensor) throws {
            guard PairedConvolution.supports(weight, stride: 2) else {
                throw TorchError.shape("\(weight) is no FP32 weight [outputs, channels, 3] in host memory")
            }
            (outputs, channels) = (weight.size(0), weight.size(1))
        }
    }

    /// Returns whether a convolution is supported: FP32 in host memory, 3 taps, stride 2.
    public static func supports(_ weight: Tensor, stride: Int) -> Bool {
        weight.rank == 3 && weight.size(2) == 3 && stride == 2 && weight.fitsHostKernels
    }

    /// Packs a weight for products with inputs.
    ///
    /// - Parameter weight: [outputs, channels, 3], FP32 in host memory.
    /// - Throws: `TorchError.shape` for a weight of another kind.
    public init(_ weight: Tensor) throws {
        sizes = try Sizes(weight)
        packed = try Self.packed(weight, sizes, turned: false)
    }

    private static var threads: Int32 { HostKernels.threads }

    private static func packed(_ weight: Tensor, _ sizes: Sizes, turned: Bool) throws -> Tensor {
        let (outputs, channels) = (Int64(sizes.outputs), Int64(sizes.channels))
        let packed = try Tensor.empty([
            Int(turned ? ck_paired_weight_count(channels, outputs) : ck_paired_weight_count(outputs, channels))
        ])
        try withFloats(weight, packed) { ck_pack_paired($0[0], outputs, channels, turned ? 1 : 0, $0[1], threads) }
        return packed
    }

    /// Computes the convolution, not recorded for differentiation.
    ///
    /// Outputs are paired by row number: a signal that starts at a multiple of four rows has the same results whatever
    /// precedes it. The last output, whose window may leave the input, sees zeros there.
    ///
    /// - Parameters:
    ///   - input: [2 · N, channels], FP32, contiguous, in host memory.
    ///   - bias: [outputs] or none.
    ///   - geluOfInput: Whether GELU is applied to the input first.
    /// - Returns: [N, outputs].
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func callAsFunction(
        _ input: Tensor, bias: Tensor? = nil, geluOfInput: Bool = false, gelu: Bool = false
    ) throws -> Tensor {
        let (outputs, channels, rows) = (sizes.outputs, sizes.channels, input.size(0))
        guard input.rank == 2, input.size(1) == channels, rows % 2 == 0, input.fitsHostKernels,
            bias.map({ $0.fitsHostKernels && $0.count == outputs }) ?? true
        else {
            throw TorchError.shape("\(input) has no even number of rows of \(channels) FP32 numbers to convolve")
        }
        let output = try Tensor.empty([rows / 2, outputs])
        let scratch = try Tensor.empty([Int(ck_paired_convolution_scratch(Int64(channels), Self.threads))])
        try withFloats(input, packed, output, scratch, bias ?? output) {
            ck_paired_convolution(
                $0[0], Int64(rows), geluOfInput ? 1 : 0, $0[1], bias == nil ? nil : $0[4], gelu ? 1 : 0, $0[2],
                Int64(channels), Int64(outputs), $0[3], Self.threads)
        }
        return output
    }

    /// Returns the requested gradients of input and weight for an output's gradient.
    fileprivate static func gradients(
        _ gradient: Tensor, _ input: Tensor, _ weight: Tensor, geluOfInput: Bool, ofInput: Bool, ofWeight: Bool
    ) throws -> (input: Tensor?, weight: Tensor?) {
        let sizes = try Sizes(weight)
        let (outputs, channels, rows) = (Int64(sizes.outputs), Int64(sizes.channels), Int64(input.size(0)))
        let (own, taps) = (ofInput ? try input.emptyLike() : nil, ofWeight ? try weight.emptyLike() : nil)
        if let own {
            let scratch = try Tensor.empty([Int(ck_paired_input_gradient_scratch(outputs, threads))])
            try withFloats(gradient, packed(weight, sizes, turned: true), input, own, scratch) {
                ck_paired_input_gradient(
                    $0[0], $0[1], geluOfInput ? $0[2] : nil, $0[3], rows, channels, outputs, $0[4], threads)
            }
        }
        if let taps {
            let scratch = try Tensor.empty([Int(ck_paired_weight_gradient_scratch(channels, outputs, threads))])
            try withFloats(input, gradient, taps, scratch) {
                ck_paired_weight_gradient(
                    $0[0], rows, geluOfInput ? 1 : 0, $0[1], $0[2], channels, outputs, $0[3], threads)
            }
        }
        return (own, taps)
    }
}

extension Tensor {
    /// Applies ``/W2VKernels/PairedConvolution`` to this tensor, [2 · N, channels], FP32 in host memory; differentiable once.
    ///
    /// - Parameters:
    ///   - weight: [outputs, channels, 3].
    ///   - bias: [outputs] or none.
    ///   - geluOfInput: Whether GELU is applied to this tensor first; it is then recomputed in the backward pass, not
    ///     kept.
    ///   - recompute: Recomputes this tensor in the backward pass, which then does not keep it.
    /// - Returns: [N, outputs].
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func convolvedInPairs(
        _ weight: Tensor, _ bias: Tensor?, geluOfInput: Bool, recompute: (() throws -> Tensor)? = nil
    ) throws -> Tensor {
        let (input, weight) = (try contiguous(), try weight.contiguous())
        let kept = recompute ?? { input }
        return try differentiable("strided convolution", [input, weight] + (bias.map { [$0] } ?? [])) {
            (
                [try PairedConvolution(weight)(input, bias: bias, geluOfInput: geluOfInput)],
                { gradients, needed in
                    guard let gradient = try gradients[0]?.contiguous() else { return needed.map { _ in nil } }
                    let found = try PairedConvolution.gradients(
                        gradient, kept(), weight, geluOfInput: geluOfInput, ofInput: needed[0], ofWeight: needed[1])
                    return [found.input, found.weight] + (bias == nil ? [] : [needed[2] ? try gradient.sum(0) : nil])
                }
            )
        }[0]
    }
}
