import CW2VKernels
import W2VTorch

/// A grouped convolution along the rows of segments by products of spectra, with its weight's spectra.
///
/// With a long kernel this takes a fraction of the operations of the direct form: for 128 taps, one twenty-sixth.
/// Blocks of rows are transformed, multiplied frequency by frequency, and transformed back (overlap-save); a block
/// begins with its segment, so that a segment's results do not depend on others. With an even kernel a row sees one row
/// more before it than after it (fairseq's `SamePad`).
public struct SpectralConvolution: Sendable {
    private let spectra: Tensor
    private let sizes: Sizes

    /// Returns whether the kernels support a weight: FP32 in host memory, as many inputs per group as outputs.
    ///
    /// - Parameter weight: [channels, channels / groups, kernel].
    public static func supports(_ weight: Tensor) -> Bool {
        weight.rank == 3 && weight.fitsHostKernels && weight.size(0) % weight.size(1) == 0
    }

    /// Transforms a weight, which must not change from then on.
    ///
    /// - Parameter weight: [channels, channels / groups, kernel].
    /// - Throws: `TorchError.shape` for a weight that the kernels do not support.
    public init(_ weight: Tensor) throws {
        guard Self.supports(weight) else {
            throw TorchError.shape("\(weight) is no FP32 weight [channels, channels / groups, kernel] in host memory")
        }
        let sizes = Sizes(weight)
        let spectra = try Tensor.empty([
            Int(ck_spectral_weight_count(sizes.groups, sizes.width, sizes.kernel))
        ])
        try withFloats(weight.contiguous(), spectra, sizes.scratch(blocks: 0)) {
            ck_spectral_weight($0[0], sizes.groups, sizes.width, sizes.kernel, $0[1], $0[2], threads)
        }
        (self.sizes, self.spectra) = (sizes, spectra)
    }

    /// Computes the convolution, and GELU if requested; not recorded.
    ///
    /// - Parameters:
    ///   - input: [rows, channels], FP32 in host memory, with the segments end to end.
    ///   - lengths: The rows of each segment.
    ///   - bias: [channels].
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func callAsFunction(
        _ input: Tensor, withinSegments lengths: [Int], bias: Tensor, gelu: Bool = false
    ) throws -> Tensor {
        let blocks = try Blocks(lengths, of: input, sizes)
        guard bias.fitsHostKernels, bias.count == input.size(1) else {
            throw TorchError.shape("\(bias) is no bias for the channels of \(input)")
        }
        let output = try Tensor.empty(input.shape)
        try withFloats(
            input.contiguous(), spectra, bias, output, sizes.spectra(blocks), sizes.scratch(blocks: blocks.count)
        ) {
            ck_spectral_convolution(
                $0[0], blocks.places, Int64(blocks.count), sizes.groups, sizes.width, sizes.kernel, $0[1], $0[2],
                gelu ? 1 : 0, $0[3], $0[4], $0[5], threads)
        }
        return output
    }

    /// Returns the requested gradients of input and weight for an output's gradient.
    ///
    /// The weight's gradient overwrites the spectra, which are not needed afterward.
    fileprivate func gradients(
        _ gradient: Tensor, _ input: Tensor, _ weight: Tensor, withinSegments lengths: [Int], ofInput: Bool,
        ofWeight: Bool
    ) throws -> (input: Tensor?, weight: Tensor?) {
        let blocks = try Blocks(lengths, of: input, sizes)
        let (count, scratch) = (Int64(blocks.count), try sizes.scratch(blocks: blocks.count))
        let ofBlocks = try sizes.spectra(blocks, times: ofWeight ? 2 : 1)
        let (own, taps) = (ofInput ? try input.emptyLike() : nil, ofWeight ? try weight.emptyLike() : nil)
        if let own {
            try withFloats(gradient, spectra, own, ofBlocks, scratch) {
                ck_spectral_input_gradient(
                    $0[0], blocks.places, count, sizes.groups, sizes.width, sizes.kernel, $0[1], $0[2], $0[3], $0[4],
                    threads)
            }
        }
        if let taps {
            try withFloats(input, gradient, taps, spectra, ofBlocks, scratch) {
                ck_spectral_weight_gradient(
                    $0[0], $0[1], blocks.places, count, sizes.groups, sizes.width, sizes.kernel, $0[2], $0[3], $0[4],
                    $0[5], threads)
            }
        }
        return (own, taps)
    }
}

private var threads: Int32 { HostKernels.threads }

/// The sizes of a convolution, as the kernels take them.
private struct Sizes {
    let groups: Int64
    let width: Int64
    let kernel: Int64

    init(_ weight: Tensor) {
        (width, kernel) = (Int64(weight.size(1)), Int64(weight.size(2)))
        groups = Int64(weight.size(0)) / width
    }

    func scratch(blocks: Int) throws -> Tensor {
        try .empty([Int(ck_spectral_scratch(Int64(blocks), width, kernel, threads))])
    }

    /// Returns memory for the spectra of one or more signals.
    func spectra(_ blocks: Blocks, times: Int = 1) throws -> Tensor {
        try .empty([times * Int(ck_spectra_count(Int64(blocks.count), groups, width, kernel))])
    }
}

/// The blocks of rows that are transformed together.
private struct Blocks {
    /// The begin and end of each block's segment, and the block's first row; concatenated.
    let places: [Int64]
    var count: Int { places.count / 3 }

    init(_ lengths: [Int], of input: Tensor, _ sizes: Sizes) throws {
        guard input.rank == 2, input.fitsHostKernels, input.size(0) == lengths.reduce(0, +),
            Int64(input.size(1)) == sizes.groups * sizes.width
        else {
            throw TorchError.shape(
                "\(input) does not have the \(lengths.reduce(0, +)) rows of \(sizes.groups * sizes.width) channels to convolve"
            )
        }
        let step = Int(ck_spectral_size(sizes.kernel)) / 2
        var (places, begin): ([Int64], Int) = ([], 0)
        for length in lengths {
            for first in stride(from: begin, to: begin + length, by: step) {
                places += [begin, begin + length, first].map(Int64.init)
            }
            begin += length
        }
        self.places = places
    }
}

extension Tensor {
    /// Applies ``SpectralConvolution`` to this tensor, differentiable once.
    ///
    /// - Parameters:
    ///   - lengths: The rows of each segment.
    ///   - weight: [channels, channels / groups, kernel].
    ///   - bias: [channels].
    /// - Returns: [rows, channels].
    /// - Throws: `TorchError.shape` when the sizes do not match.
    func hostConvolvedBySpectra(withinSegments lengths: [Int], _ weight: Tensor, bias: Tensor) throws -> Tensor {
        let (input, weight) = (self, try weight.contiguous())
        return try differentiable("convolution within segments", [input, weight, bias]) {
            (
                [try SpectralConvolution(weight)(input, withinSegments: lengths, bias: bias)],
                { gradients, needed in
                    guard let gradient = try gradients[0]?.contiguous() else { return [nil, nil, nil] }
                    let found = try SpectralConvolution(weight).gradients(
                        gradient, input, weight, withinSegments: lengths, ofInput: needed[0], ofWeight: needed[1])
                    return [found.input, found.weight, needed[2] ? try gradient.sum(0) : nil]
                }
            )
        }[0]
    }
}
