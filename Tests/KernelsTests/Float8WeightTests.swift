import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

@Suite(.onTestThreads) struct Float8WeightTests {
    private func random(_ shape: [Int], seed: Int64) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed))
    }

    /// E4M3 by its definition: all numbers except the two NaNs.
    private static let numbers: [UInt8: Float] = Dictionary(
        uniqueKeysWithValues: (UInt8(0)...255).filter { $0 & 0x7F != 0x7F }.map { bits in
            let (exponent, mantissa) = (Int(bits >> 3 & 0xF), Float(bits & 7))
            var number = exponent == 0 ? mantissa / 512 : 1 + mantissa / 8
            for _ in 0..<abs(exponent - 7) where exponent > 0 { number *= exponent > 7 ? 2 : 0.5 }
            return (bits, bits & 0x80 == 0 ? number : -number)
        })

    private func rows(_ input: Tensor, byKernel: Bool) throws -> Float8Rows {
        try byKernel ? withEmulatedDeviceKernels { try Float8Rows(input) } : Float8Rows(input)
    }

    /// A row with the largest number has scale 1: every number keeps its bits.
    @Test(arguments: [false, true]) func everyNumberIsItself(byKernel: Bool) throws {
        let codes = Self.numbers.keys.sorted()
        let input = try Tensor(codes.map { Self.numbers[$0] ?? 0 } + [0, 0], shape: [1, 256])
        let found = try rows(input, byKernel: byKernel)
        #expect(try found.scales.elements(Float.self) == [1])
        #expect(try found.bytes.elements(UInt8.self) == codes + [0, 0])
        #expect(try found.numbers().elements(Float.self) == input.elements(Float.self))
    }

    /// The GPU kernel and LibTorch's conversion round alike, including tiny rows, zeros, and NaN.
    @Test(arguments: [DType.float32, .float16, .bfloat16]) func kernelRoundsLikeLibTorch(_ type: DType) throws {
        let input = try random([37, 300], seed: 1)
        try input.rows(3..<4).fillInPlace(0)
        try input.rows(4..<5).scaleInPlace(1e-6)
        try input.rows(5..<6).scaleInPlace(3e3)
        try input.selected(0, 6).rows(7..<8).fillInPlace(.nan)
        // From a row's largest number down to far below what is rounded to zero.
        try input.rows(7..<8).copy(from: Tensor((0..<300).map { Float(-0.93).power($0) }, shape: [1, 300]))
        let rounded = try input.to(dtype: type)
        let (kernel, operators) = (try rows(rounded, byKernel: true), try rows(rounded, byKernel: false))
        let scales = try (kernel.scales.elements(Float.self), operators.scales.elements(Float.self))
        for row in 0..<37 where row != 6 {
            #expect(scales.0[row] == scales.1[row])
            #expect(
                try kernel.bytes.selected(0, row).elements(UInt8.self)
                    == operators.bytes.selected(0, row).elements(UInt8.self), "row \(row)")
        }
        #expect(try kernel.bytes.selected(0, 6).elements(UInt8.self)[7] == 0x7F)
    }

    @Test(arguments: [(5, 48, 32), (1, 16, 16), (130, 768, 96)])
    func productsOfRoundedNumbers(_ rows: Int, _ inputs: Int, _ outputs: Int) throws {
        let (input, weight) = (try random([rows, inputs], seed: 2), try random([outputs, inputs], seed: 3))
        let bias = try random([outputs], seed: 4)
        let found = try Float8Weight(weight)(input, bias: bias).to(dtype: .float64)
        let numbers = try (Float8Rows(input).numbers(), Float8Rows(weight).numbers())
        let rounded = try numbers.0.to(dtype: .float64).matmul(numbers.1.to(dtype: .float64).transposed())
        #expect(try relativeError(found, rounded + bias.to(dtype: .float64)) < 1e-6)
        // Rounding to 4 significant bits, twice: about 3 % of a product's own size.
        let exact = try input.to(dtype: .float64).linear(weight.to(dtype: .float64), bias: bias.to(dtype: .float64))
        let error = try (found - exact).norm().item() / exact.norm().item()
        #expect(error > 1e-3 && error < 0.06, "\(error)")
        let activated = try Float8Weight(weight)(input, bias: bias, gelu: true).to(dtype: .float64)
        #expect(try relativeError(activated, found.gelu()) < 1e-6)
    }

    @Test func rowsDoNotDependOnOthers() throws {
        let weight = try Float8Weight(random([32, 64], seed: 5))
        let input = try random([9, 64], seed: 6)
        let whole = try weight(input)
        try input.rows(0..<3).scaleInPlace(1000)
        #expect(try relativeError(weight(input).rows(3..<9), whole.rows(3..<9)) < 1e-6)
        #expect(try weight(input.viewed(3, 3, 64)).shape == [3, 3, 32])
        #expect(try weight(Tensor.empty([0, 64])).shape == [0, 32])
    }

    @Test func layersAreRounded() throws {
        let layer = try Linear(64, 32, initializer: .random(seed: 7))
        let input = try random([4, 64], seed: 8)
        let before = try layer(input)
        let rounded = try Float8Linear(layer)
        let error = try withoutGradient { try relativeError(rounded(input), before) }
        #expect(error > 1e-4 && error < 0.1)
        #expect(try rounded.withGELU(input).elements(Float.self) == rounded(input).gelu().elements(Float.self))
        #expect(throws: TorchError.self) { try Float8Linear(Linear(20, 32, initializer: .random(seed: 9))) }
    }

    @Test func refusesOtherSizes() throws {
        for shape in [[20, 32], [32, 20], [32], [0, 16]] {
            #expect(throws: TorchError.self) { try Float8Weight(Tensor.zeros(shape)) }
        }
        #expect(throws: TorchError.self) { try Float8Weight(random([16, 32], seed: 1))(random([4, 16], seed: 2)) }
        try Float8Weight.check(on: .cpu)
    }
}

extension Float {
    fileprivate func power(_ exponent: Int) -> Float { (0..<exponent).reduce(1) { product, _ in product * self } }
}
