import Foundation
import TestSupport
import Testing
import W2VBase
import W2VTorch

private final class Pair: Module {
    @Parameter("first") var first: Tensor
    @Parameter("second") var second: Tensor

    init(_ first: [Double], _ second: [Double]) throws {
        super.init()
        self.first = try Tensor(first).to(dtype: .float32)
        self.second = try Tensor(second).to(dtype: .float32)
    }
}

@Suite(.onTestThreads) struct LambTests {
    /// apex's update of one parameter, written out in FP64.
    private struct Reference {
        var values: [Double]
        var first: [Double]
        var second: [Double]
        var step = 0.0

        init(_ values: [Double]) {
            self.values = values
            first = values.map { _ in 0 }
            second = first
        }

        mutating func update(_ gradients: [Double], rate: Double, decay: Double, epsilon: Double) {
            step += 1
            let (beta1, beta2) = (0.9, 0.999)
            var change = values
            for index in values.indices {
                first[index] = first[index] * beta1 + (1 - beta1) * gradients[index]
                second[index] = second[index] * beta2 + (1 - beta2) * gradients[index] * gradients[index]
                let mean = first[index] / (1 - pow(beta1, step))
                let square = second[index] / (1 - pow(beta2, step))
                change[index] = mean / (square.squareRoot() + epsilon) + decay * values[index]
            }
            func norm(_ numbers: [Double]) -> Double { numbers.map { $0 * $0 }.reduce(0, +).squareRoot() }
            let trust = decay == 0 || norm(values) == 0 || norm(change) == 0 ? 1 : norm(values) / norm(change)
            for index in values.indices { values[index] -= rate * trust * change[index] }
        }
    }

    @Test(arguments: [0, 0.01])
    func followsApex(decay: Double) throws {
        var stream = RandomStream(seed: 3, purpose: .synthesis)
        func random(_ count: Int, _ scale: Double) -> [Double] {
            (0..<count).map { _ in (stream.uniform() - 0.5) * scale }
        }
        // The second parameter starts from zero: its trust ratio has no norm to use at first.
        var references = [Reference(random(7, 4)), Reference([0, 0, 0])]
        let module = try Pair(references[0].values, references[1].values)
        let flat = try FlatParameters(module.parameters())
        let options = Moments.Options(beta2: 0.999, weightDecay: decay)
        var lamb = try Lamb(flat, options)
        for step in 0..<8 {
            if step == 4 {
                let saved = try (flat.named(lamb.moments.first), flat.named(lamb.moments.second))
                let copy = (try saved.0.mapValues { try $0.cloned() }, try saved.1.mapValues { try $0.cloned() })
                lamb = try Lamb(flat, options)
                try lamb.moments.restore(updates: step, first: copy.0, second: copy.1)
            }
            for index in references.indices {
                let gradients = random(references[index].values.count, pow(10, Double(step % 3)))
                try flat.view(index, of: flat.gradients).copy(from: Tensor(gradients) * 16)
                references[index].update(gradients, rate: 0.02, decay: decay, epsilon: 1e-6)
            }
            try lamb.step(learningRate: 0.02, gradientScale: 1.0 / 16)
            for (found, reference) in zip([module.first, module.second], references) {
                #expect(try relativeError(found, Tensor(reference.values)) < 1e-6, "update \(step + 1)")
            }
        }
    }
}
