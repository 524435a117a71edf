import Synchronization
import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

/// Products with packed weights compared with LibTorch's in FP64, at sizes that do not fill a tile, panel or block.
@Suite(.onTestThreads) struct PackedWeightTests {
    private static let sizes = [[1, 5, 1], [7, 64, 33], [97, 1537, 48], [10, 3, 100], [9, 130, 64]]

    private func operands(_ size: [Int]) throws -> (input: Tensor, weight: Tensor, bias: Tensor) {
        let (rows, inputs, outputs) = (size[0], size[1], size[2])
        return (
            try Tensor.normal([rows, inputs], generator: Generator(seed: 1)),
            try Tensor.normal([outputs, inputs], generator: Generator(seed: 2)),
            try Tensor.normal([outputs], generator: Generator(seed: 3))
        )
    }

    private func exact(_ input: Tensor, _ weight: Tensor, _ bias: Tensor?) throws -> Tensor {
        try input.to(dtype: .float64).linear(weight.to(dtype: .float64), bias: bias?.to(dtype: .float64))
    }

    @Test(arguments: sizes)
    func singlePrecisionIsTheProduct(_ size: [Int]) throws {
        let (input, weight, bias) = try operands(size)
        let packed = try PackedWeight(weight, .float32)
        let expected = try exact(input, weight, bias)
        #expect(try relativeError(packed(input, bias: bias), expected) < 2e-6)
        #expect(try relativeError(packed(input, bias: bias, gelu: true), ATen.gelu(.tensor(expected))) < 2e-6)
        #expect(try relativeError(packed(input), exact(input, weight, nil)) < 2e-6)
        #expect(try relativeError(packed(input, gelu: true), ATen.gelu(.tensor(exact(input, weight, nil)))) < 2e-6)
    }

    /// Rounding moves a weight by at most half its scale, and an input by half its row's step.
    @Test(arguments: sizes)
    func bytesStayWithinTheirRounding(_ size: [Int]) throws {
        let (input, weight, bias) = try operands(size)
        let found = try PackedWeight(weight, .int8)(input, bias: bias).elements(Double.self)
        let expected = try exact(input, weight, bias).elements(Double.self)
        let (inputs, weights) = (try input.elements(Double.self), try weight.elements(Double.self))
        let (depth, outputs) = (size[1], size[2])
        for row in 0..<size[0] {
            let values = inputs[row * depth..<(row + 1) * depth]
            let step = (max(0, values.max() ?? 0) - min(0, values.min() ?? 0)) / 255
            for output in 0..<outputs {
                let factors = weights[output * depth..<(output + 1) * depth]
                let scale = (factors.map(\.magnitude).max() ?? 0) / 127
                let bound = zip(values, factors).reduce(0) {
                    $0 + $1.0.magnitude * scale / 2 + $1.1.magnitude * step / 2 + scale * step / 4
                }
                let index = row * outputs + output
                #expect(abs(found[index] - expected[index]) <= bound * 1.0001 + 1e-5)
            }
        }
    }

    /// A byte cannot represent NaN or infinity; the results must.
    @Test(arguments: sizes, [Float.nan, .infinity, -.infinity])
    func nanStaysNaN(_ size: [Int], bad: Float) throws {
        let (input, weight, _) = try operands(size)
        let (rows, depth, outputs) = (size[0], size[1], size[2])
        var values = try input.elements(Float.self)
        values[depth - 1] = bad
        let flawed = try Tensor(values, shape: [rows, depth])
        let found = try PackedWeight(weight, .int8)(flawed).elements(Float.self)
        for index in found.indices { #expect(found[index].isFinite == (index >= outputs), "\(index)") }
        var factors = try weight.elements(Float.self)
        factors[0] = bad
        let packed = try PackedWeight(Tensor(factors, shape: [outputs, depth]), .int8)
        let spoilt = try packed(input).elements(Float.self)
        for index in spoilt.indices { #expect(spoilt[index].isFinite == (index % outputs != 0), "\(index)") }
    }

    @Test(arguments: sizes, [false, true])
    func portableBytesAreTheSameBitForBit(_ size: [Int], gelu: Bool) throws {
        let (input, weight, bias) = try operands(size)
        let packed = try PackedWeight(weight, .int8)
        let portable = try Tensor.empty([size[0], size[2]])
        try packed.multiply(
            windowsOf: input, step: size[1], bias: bias, gelu: gelu, portably: true, into: portable)
        let found = try packed(input, bias: bias, gelu: gelu)
        #expect(try found.elements(Float.self) == portable.elements(Float.self))
    }

    @Test(arguments: [PackedWeight.Format.float32, .int8])
    func rowsDoNotDependOnEachOther(_ format: PackedWeight.Format) throws {
        let (input, weight, bias) = try operands([205, 70, 50])
        let packed = try PackedWeight(weight, format)
        let together = try packed(input, bias: bias, gelu: true)
        for rows in [0..<1, 3..<20, 90..<205, 204..<205] {
            let apart = try packed(input.rows(rows), bias: bias, gelu: true)
            #expect(try apart.elements(Float.self) == together.rows(rows).elements(Float.self))
        }
    }

    @Test(arguments: [PackedWeight.Format.float32, .int8])
    func numbersWithoutRange(_ format: PackedWeight.Format) throws {
        let packed = try PackedWeight(Tensor.zeros([3, 8]), format)
        #expect(try packed(Tensor.ones([2, 8])).elements(Float.self) == Array(repeating: 0, count: 6))
        #expect(try packed(Tensor.zeros([0, 8])).shape == [0, 3])
        let ones = try PackedWeight(Tensor.ones([3, 8]), format)
        for number in [-4, 0, 2.5] {
            let sums = try ones(Tensor.full([2, 2, 8], number)).elements(Double.self)
            #expect(sums.count == 12 && sums.allSatisfy { abs($0 - 8 * number) < 1e-5 })
        }
    }

    @Test func overlappingWindowsAreAConvolution() throws {
        let (channels, kernel, rows) = (5, 4, 30)
        let signal = try Tensor.normal([rows, channels], generator: Generator(seed: 4))
        let weight = try Tensor.normal([7, channels, kernel], generator: Generator(seed: 5))
        let bias = try Tensor.normal([7], generator: Generator(seed: 6))
        let expected = try signal.transposed().unsqueezed(0).convolved(weight, bias: bias).squeezed(0).transposed()
        let packed = try PackedWeight(weight.permuted(0, 2, 1).reshaped(7, kernel * channels), .float32)
        let output = try Tensor.empty([rows - kernel + 1, 7])
        try packed.multiply(windowsOf: signal, step: channels, bias: bias, into: output)
        #expect(try relativeError(output, expected) < 1e-6)
    }

    @Test func whatDoesNotFitIsRefused() throws {
        #expect(throws: TorchError.self) { try PackedWeight(Tensor.zeros([2, 3], dtype: .float64), .float32) }
        #expect(throws: TorchError.self) { try PackedWeight(Tensor.zeros([2, 3, 4]), .int8) }
        let packed = try PackedWeight(Tensor.zeros([2, 3]), .float32)
        #expect(throws: TorchError.self) { try packed(Tensor.zeros([5, 4])) }
        let output = try Tensor.empty([4, 2])
        #expect(throws: TorchError.self) { try packed.multiply(windowsOf: Tensor.zeros([11]), step: 3, into: output) }
        #expect(throws: TorchError.self) {
            try packed.multiply(windowsOf: Tensor.zeros([12]), step: 3, bias: Tensor.zeros([3]), into: output)
        }
    }

    /// The first product keeps nothing, the second does; the results are bit-identical.
    @Test(arguments: [PackedWeight.Format.float32, .int8])
    func fixedWeightsArePackedTwice(_ format: PackedWeight.Format) throws {
        let (input, weight, bias) = try operands([9, 130, 64])
        let count = Mutex(0)
        let fixed = LazilyPackedWeight {
            count.withLock { $0 += 1 }
            return try PackedWeight(weight, format)
        }
        #expect(count.withLock { $0 } == 0)
        let products = try (0..<4).map { _ in try fixed.packed()(input, bias: bias).elements(Float.self) }
        #expect(products.allSatisfy { $0 == products[0] })
        #expect(count.withLock { $0 } == 2)
    }

    @Test func packedLayersKeepTheirWeight() throws {
        let layer = try Linear(6, 4, initializer: .random(seed: 7))
        let input = try Tensor.normal([3, 6], generator: Generator(seed: 8))
        let expected = try (product: layer(input), gelu: layer.withGELU(input))
        let packed = PackedLinear(layer, .float32)
        #expect(try relativeError(packed(input), expected.product) < 1e-6)
        #expect(try relativeError(packed.withGELU(input), expected.gelu) < 1e-6)
        #expect(packed.weight.isIdentical(to: layer.weight))
        layer.weight = try Tensor.zeros([4, 6])
        #expect(try relativeError(packed.withGELU(input), expected.gelu) < 1e-6)
        #expect(try packed.weight.magnitude().sum().item() == 0, "one parameter, whichever layer it is read from")
    }
}
