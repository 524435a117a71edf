import Foundation
import TestSupport
import Testing
import W2VTorch

/// Reads FP32 tensors of a small safetensors file.
private struct GoldenFile {
    private let header: [String: Any]
    private let body: Data

    init(_ name: String) throws {
        let data = try Data(contentsOf: Repository.golden.appendingPathComponent("\(name).safetensors"))
        let length = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
        header = try #require(try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any])
        body = Data(data[(8 + length)...])
    }

    func tensor(_ name: String) throws -> Tensor {
        let entry = try #require(header[name] as? [String: Any])
        let shape = try #require(entry["shape"] as? [Int])
        let offsets = try #require(entry["data_offsets"] as? [Int])
        try #require(entry["dtype"] as? String == "F32")
        let floats = body[offsets[0]..<offsets[1]].withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        return try Tensor(floats, shape: shape)
    }
}

private final class Single: Module {
    @Parameter("p") var parameter: Tensor

    init(_ tensor: Tensor) {
        super.init()
        parameter = tensor
    }
}

@Suite(.onTestThreads) struct AdamTests {
    private func run(gradientFactor: Double = 1, scale: Double = 1, resumingAt resume: Int? = nil) throws -> Double {
        let file = try GoldenFile("optim_fairseq")
        let module = Single(try file.tensor("adam.p0").cloned())
        let flat = try FlatParameters(module.parameters())
        let options = Moments.Options(beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.01)
        var adam = try Adam(flat, options)
        let gradients = try file.tensor("adam.grads")
        let expected = try file.tensor("adam.fairseq")
        var worst = 0.0
        for step in 0..<gradients.size(0) {
            if step == resume {
                let first = try flat.named(adam.moments.first).mapValues { try $0.cloned() }
                let second = try flat.named(adam.moments.second).mapValues { try $0.cloned() }
                let updates = adam.moments.updates
                adam = try Adam(flat, options)
                try adam.moments.restore(updates: updates, first: first, second: second)
            }
            try flat.view(0, of: flat.gradients).copy(from: gradients.selected(0, step) * gradientFactor)
            try adam.step(learningRate: 5e-4, gradientScale: scale)
            worst = max(worst, try relativeError(module.parameter, expected.selected(0, step)))
        }
        return worst
    }

    @Test func followsFairseq() throws {
        #expect(try run() < 1e-6)
    }

    @Test func scalesGradientsFirst() throws {
        #expect(try run(gradientFactor: 64, scale: 1.0 / 64) < 1e-6)
    }

    @Test func continuesFromSavedMoments() throws {
        #expect(try run(resumingAt: 3) < 1e-6)
    }

    @Test func isNotPyTorchsOwnForm() throws {
        let file = try GoldenFile("optim_fairseq")
        #expect(try relativeError(file.tensor("adam.torch_adamw"), file.tensor("adam.fairseq")) > 1e-6)
    }
}
