import Foundation
import W2VBase
import W2VTorch

/// The results of all kernels on a CPU in FP32, reduced to what can be carried to another machine.
///
/// A result of many elements is kept as a few thousand of them at random places, and as sums of all of them, stretch by
/// stretch, with random signs. An error in one place of many shows in the sample, an error in one stretch in its sum.
struct KernelDigests {
    /// One result: a kernel's output, or the gradient of one of its leaves.
    struct Digest {
        /// The largest magnitude.
        let largest: Double
        /// Elements at random places, FP64.
        let sample: Tensor
        /// Sums of stretches with random signs, each divided by the square root of the stretch's length, FP64.
        let sums: Tensor

        /// Returns the largest deviation of another device's result, relative to the largest magnitude.
        ///
        /// Errors of a stretch's elements that are independent deviate its sum, so divided, by as much as one element.
        func deviation(of result: Tensor) throws -> Double {
            let found = try Digest(result)
            guard found.sample.shape == sample.shape, found.sums.shape == sums.shape else { return .infinity }
            let deviations = try [(found.sample, sample), (found.sums, sums)].map { found, expected in
                try (found - expected).magnitude().reshaped(-1).maximum(0).item() / max(1e-30, largest)
            }
            return deviations.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
        }
    }

    /// What the digests belong to: kernels of another batch or model cannot be compared.
    let origin: [String: String]
    /// By kernel, the output's first.
    let digests: [String: [Digest]]

    /// Reduces the results of kernels.
    init(_ kernels: [StageKernel], shape: String, hourglass: String) throws {
        origin = Self.origin(shape, hourglass)
        digests = Dictionary(
            try kernels.map { kernel in
                Console.progress("benchmark: \(kernel.name)")
                return (kernel.name, try KernelComparison.results(kernel).map { try Digest($0) })
            }, uniquingKeysWith: { first, _ in first })
    }

    /// Reads digests.
    ///
    /// - Throws: ``CommandError`` for a file of other kernels; `SafetensorsError` for a damaged one.
    init(_ file: URL, shape: String, hourglass: String) throws {
        let expected = Self.origin(shape, hourglass)
        let found = try SafetensorsFile(file).metadata
        guard expected.allSatisfy({ found[$0.key] == $0.value }) else {
            let known = found["shape"].flatMap { shape in
                found["hourglass"].map { "has the results for --utterances \(shape) --hourglass \($0)" }
            }
            throw CommandError(
                .input, "\(file.path) \(known ?? "has no results of kernels")",
                "write one for --utterances \(shape) --hourglass \(hourglass) with --save-reference")
        }
        origin = expected
        let tensors = try TensorFile.read(file)
        var digests: [String: [Int: Digest]] = [:]
        for (key, sample) in tensors {
            let parts = key.split(separator: "/")
            guard parts.count == 3, parts[2] == "sample", let number = Int(parts[1]) else { continue }
            let prefix = "\(parts[0])/\(parts[1])/"
            guard let sums = tensors[prefix + "sums"], let largest = tensors[prefix + "largest"] else { continue }
            digests[String(parts[0]), default: [:]][number] = Digest(
                largest: try largest.item(), sample: sample, sums: sums)
        }
        self.digests = digests.mapValues { $0.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// Writes the digests; about a megabyte for ten kernels.
    func write(to file: URL) throws {
        var tensors: [String: Tensor] = [:]
        for (kernel, results) in digests {
            for (number, digest) in results.enumerated() {
                let prefix = "\(kernel)/\(number)/"
                tensors[prefix + "sample"] = digest.sample
                tensors[prefix + "sums"] = digest.sums
                tensors[prefix + "largest"] = try .scalar(digest.largest, dtype: .float64)
            }
        }
        try TensorFile.write(tensors, metadata: origin, to: file)
    }

    /// Returns the deviations of a kernel's results; nothing to compare with is no agreement.
    func deviations(_ kernel: StageKernel, _ results: [Tensor]) throws -> [Double] {
        guard let expected = digests[kernel.name], expected.count == results.count else {
            return results.map { _ in .infinity }
        }
        return try zip(results, expected).map { try $1.deviation(of: $0) }
    }

    private static func origin(_ shape: String, _ hourglass: String) -> [String: String] {
        ["format": "kernel digests 1", "shape": shape, "hourglass": hourglass]
    }
}

extension KernelDigests.Digest {
    /// Number of elements in a sample, and of stretches.
    static let size = 4096

    /// Reduces a result.
    init(_ result: Tensor) throws {
        let flat = try result.detached().reshaped(-1)
        let count = flat.count
        var choices = RandomStream(seed: UInt64(count), purpose: .synthesis)
        let places = count <= Self.size ? Array(0..<count) : (0..<Self.size).map { _ in choices.integer(below: count) }
        sample = try flat.taking(Tensor(places).to(device: flat.device)).to(dtype: .float64).to(device: .cpu)
        let length = max(1, (count + Self.size - 1) / Self.size)
        let signs = try Tensor((0..<length).map { _ in choices.integer(below: 2) == 0 ? 1.0 : -1.0 })
            .to(dtype: .float64).to(device: flat.device)
        // FP64 stretches of a large result would take gigabytes at once.
        let whole = count / length
        var parts: [Tensor] = []
        for first in stride(from: 0, to: whole, by: 512) {
            let stretches = first..<min(whole, first + 512)
            let rows = try flat.rows(stretches.lowerBound * length..<stretches.upperBound * length)
            parts.append(try rows.reshaped(-1, length).to(dtype: .float64).matmul(signs).to(device: .cpu))
        }
        let rest = count - whole * length
        if rest > 0 {
            let last = try flat.rows(whole * length..<count).to(dtype: .float64)
            parts.append(try (last * signs.rows(0..<rest)).sum().reshaped(1).to(device: .cpu))
        }
        sums = try Tensor.concatenate(parts) * (1 / Double(length).squareRoot())
        largest = try flat.magnitude().maximum(0).to(dtype: .float64).item()
    }
}
