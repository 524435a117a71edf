import TestSupport
import Testing
import W2VTorch

private struct Refusal: Error, CustomStringConvertible {
    let description = "utterance 7 is refused"
}

@Suite(.onTestThreads) struct AutogradTests {
    private func cube(_ input: Tensor) throws -> Tensor {
        try differentiable("cube", [input]) {
            let output = try input.power(3)
            return ([output], { gradients, _ in try [gradients[0].map { try $0 * (input.detached().squared() * 3) }] })
        }[0]
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func backwardAccumulates() throws {
        let leaf = try Tensor([1, 2] as [Double]).requiringGradient()
        #expect(leaf.isLeaf && leaf.requiresGradient)
        try leaf.squared().sum().backward()
        try leaf.squared().sum().backward()
        #expect(try leaf.gradient()?.elements(Double.self) == [4, 8])
        try leaf.setGradient(nil)
        #expect(try leaf.gradient() == nil)
    }

    @Test func gradientsOfInputs() throws {
        let first = try Tensor([2.0]).requiringGradient()
        let unused = try Tensor([5.0]).requiringGradient()
        let found = try (first * first).gradients(of: [first, unused], outputGradient: Tensor([10.0]))
        #expect(try found[0]?.item() == 40)
        #expect(found[1] == nil)
        #expect(try first.gradient() == nil)
    }

    @Test func secondDerivative() throws {
        let leaf = try Tensor([2.0]).requiringGradient()
        let first = try #require(try leaf.power(3).gradients(of: [leaf], creatingGraph: true)[0])
        #expect(try first.gradients(of: [leaf])[0]?.item() == 12)
    }

    @Test func withoutGradientScopes() throws {
        let leaf = try Tensor([2.0]).requiringGradient()
        #expect(isGradientEnabled)
        let output = try withoutGradient { () throws -> Tensor in
            #expect(!isGradientEnabled)
            withoutGradient { #expect(!isGradientEnabled) }
            #expect(!isGradientEnabled)
            return try leaf.squared()
        }
        #expect(isGradientEnabled && !output.requiresGradient)
        _ = try? withoutGradient { throw Refusal() }
        #expect(isGradientEnabled)
    }

    @Test func secondBackwardIsRefused() throws {
        let leaf = try Tensor([2.0]).requiringGradient()
        let native = try leaf.exp()
        try native.backward()
        #expect(message { try native.backward() } != "no error")
        let custom = try cube(leaf)
        try custom.backward(retainingGraph: true)
        try custom.backward()
        #expect(message { try custom.backward() }.contains("cube: backward was run a second time"))
    }

    @Test func secondDerivativeOfClosureIsRefused() throws {
        let leaf = try Tensor([2.0]).requiringGradient()
        let first = try #require(try cube(leaf).gradients(of: [leaf], creatingGraph: true)[0])
        #expect(try first.item() == 12)
        #expect(message { _ = try first.gradients(of: [leaf]) }.contains("cube"))
    }

    @Test func hooks() throws {
        let leaf = try Tensor([1.0, 2.0]).requiringGradient()
        var seen: [Double] = []
        let output = try leaf * 2
        let observer = try output.addGradientHook {
            seen = try $0.elements(Double.self)
            return nil
        }
        let scaler = try leaf.addGradientHook { try $0 * 10 }
        try output.sum().backward(retainingGraph: true)
        #expect(seen == [1, 1])
        #expect(try leaf.gradient()?.elements(Double.self) == [20, 20])
        try output.removeGradientHook(observer)
        try leaf.removeGradientHook(scaler)
        seen = []
        try leaf.setGradient(nil)
        try output.sum().backward()
        #expect(seen.isEmpty)
        #expect(try leaf.gradient()?.elements(Double.self) == [2, 2])
    }

    @Test func errorsInClosuresArrive() throws {
        let leaf = try Tensor([1.0]).requiringGradient()
        let failing = try differentiable("alignment", [leaf]) { ([try leaf * 2], { _, _ in throw Refusal() }) }[0]
        let text = message { try (failing * 3).backward() }
        #expect(text.contains("alignment") && text.contains("utterance 7 is refused"))
        let miscounted = try differentiable("pair", [leaf]) { ([try leaf * 2], { _, _ in [] }) }[0]
        #expect(message { try miscounted.backward() }.contains("0 gradients for 1 inputs"))
        try leaf.addGradientHook { _ in throw Refusal() }
        #expect(message { try (leaf * 2).backward() }.contains("utterance 7 is refused"))
        let misshapen = try differentiable("shape", [Tensor([1.0, 2.0]).requiringGradient()]) {
            ([try Tensor([1.0, 2.0])], { _, _ in [try Tensor.zeros([3], dtype: .float64)] })
        }[0]
        #expect(message { try misshapen.sum().backward() }.contains("[3]"))
        #expect(throws: Refusal.self) { _ = try differentiable("forward", [leaf]) { throw Refusal() } }
    }

    @Test func customFunctions() throws {
        let left = try Tensor.normal([3, 4], dtype: .float64, generator: Generator(seed: 1))
        let right = try Tensor.normal([4, 2], dtype: .float64, generator: Generator(seed: 2))
        try gradientCheck([left]) { try cube($0[0]) }
        try gradientCheck([left, right]) { inputs in
            let product = try differentiable("product", inputs) {
                let (a, b) = (try inputs[0].detached(), try inputs[1].detached())
                return (
                    [try a.matmul(b), try a.squared()],
                    { gradients, needed in
                        guard let one = gradients[0], let two = gradients[1] else { return [nil, nil] }
                        return [
                            needed[0] ? try one.matmul(b.transposed()) + two * a * 2 : nil,
                            needed[1] ? try a.transposed().matmul(one) : nil,
                        ]
                    }
                )
            }
            return try product[0].sum() * product[1].sum()
        }
    }

    @Test func neededAndAbsentGradients() throws {
        let wanted = try Tensor([1.0]).requiringGradient()
        let constant = try Tensor([3.0])
        var seen: [Bool] = []
        var absent: [Bool] = []
        let outputs = try differentiable("two", [wanted, constant]) {
            (
                [try wanted * 2, try constant * 3],
                { gradients, needed in
                    seen = needed
                    absent = gradients.map { $0 == nil }
                    return [try gradients[0].map { try $0 * 2 }, nil]
                }
            )
        }
        try outputs[0].backward()
        #expect(seen == [true, false] && absent == [false, true])
        #expect(try wanted.gradient()?.item() == 2)
    }

    @Test func functionsWithoutHistory() throws {
        let plain = try cube(Tensor([2.0]))
        #expect(!plain.requiresGradient)
        let leaf = try Tensor([2.0]).requiringGradient()
        #expect(try !withoutGradient { try cube(leaf) }.requiresGradient)
    }

    @Test func gradientScaling() throws {
        let leaf = try Tensor([2.0]).requiringGradient()
        let scaled = try leaf.scalingGradient(by: 0.1)
        #expect(try scaled.item() == 2)
        try scaled.backward()
        #expect(try leaf.gradient()?.item() == 0.1)
    }

    @Test func parallelBackwardOverOneGraph() async throws {
        let leaf = try Tensor.ones([64], dtype: .float64).requiringGradient()
        let output = try cube(leaf).sum()
        try await withThrowingTaskGroup(of: Double.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var total = 0.0
                    for _ in 0..<50 {
                        total += try output.gradients(of: [leaf], retainingGraph: true)[0]?.sum().item() ?? 0
                    }
                    return total
                }
            }
            for try await total in group { #expect(total == 50 * 64 * 3) }
        }
    }
}
