import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VTraining

private final class OneParameter: Module {
    @Parameter("weight") var weight: Tensor
}

@Suite(.onTestThreads) struct AdamTests {
    @Test func sixUpdatesEqualFairseqs() throws {
        let url = Repository.golden.appendingPathComponent("optim_fairseq.safetensors")
        let golden = try TensorFile.read(url)
        let gradients = try #require(golden["adam.grads"])
        let expected = try #require(golden["adam.fairseq"])
        let module = OneParameter()
        module.weight = try #require(golden["adam.p0"]).cloned()
        let group = try ParameterGroup("all", module.parameters(), .init())
        for step in 0..<6 {
            try group.parameters.load(["weight": gradients.selected(0, step)], into: group.parameters.gradients)
            try group.optimizer.step(learningRate: 5e-4, gradientScale: 1)
            let (found, wanted) = (
                try module.weight.elements(Float.self), try expected.selected(0, step).elements(Float.self)
            )
            let difference = zip(found, wanted).map { abs($0 - $1) }.max() ?? 1
            #expect(difference <= 1e-6, "update \(step + 1)")
        }
    }
}
