extension Tensor {
    // MARK: Operators, with the usual broadcasting

    /// Returns the sum.
    public static func + (left: Tensor, right: Tensor) throws -> Tensor {
        try ATen.add(.tensor(left), .tensor(right))
    }

    /// Returns the sum of each element and a number.
    public static func + (left: Tensor, right: Double) throws -> Tensor {
        try ATen.addScalar(.tensor(left), .double(right))
    }

    /// Returns the difference.
    public static func - (left: Tensor, right: Tensor) throws -> Tensor {
        try ATen.sub(.tensor(left), .tensor(right))
    }

    /// Returns each element less a number.
    public static func - (left: Tensor, right: Double) throws -> Tensor {
        try ATen.addScalar(.tensor(left), .double(-right))
    }

    /// Returns a number less each element.
    public static func - (left: Double, right: Tensor) throws -> Tensor {
        try ATen.rsubScalar(.tensor(right), .double(left))
    }

    /// Returns the product, element by element.
    public static func * (left: Tensor, right: Tensor) throws -> Tensor {
        try ATen.mul(.tensor(left), .tensor(right))
    }

    /// Returns each element times a number.
    public static func * (left: Tensor, right: Double) throws -> Tensor {
        try ATen.mulScalar(.tensor(left), .double(right))
    }

    /// Returns each element times a number.
    public static func * (left: Double, right: Tensor) throws -> Tensor {
        try ATen.mulScalar(.tensor(right), .double(left))
    }

    /// Returns the quotient, element by element.
    public static func / (left: Tensor, right: Tensor) throws -> Tensor {
        try ATen.div(.tensor(left), .tensor(right))
    }

    /// Returns each element divided by a number.
    public static func / (left: Tensor, right: Double) throws -> Tensor {
        try ATen.divScalar(.tensor(left), .double(right))
    }

    /// Returns the negation.
    public static prefix func - (tensor: Tensor) throws -> Tensor {
        try ATen.neg(.tensor(tensor))
    }

    // MARK: Elementwise functions

    /// eˣ of each element.
    public func exp() throws -> Tensor { try ATen.exp(.tensor(self)) }
    /// Returns the natural logarithm of each element.
    public func log() throws -> Tensor { try ATen.log(.tensor(self)) }
    /// Returns the square root of each element.
    public func squareRoot() throws -> Tensor { try ATen.sqrt(.tensor(self)) }
    /// Returns one over the square root of each element.
    public func reciprocalSquareRoot() throws -> Tensor { try ATen.rsqrt(.tensor(self)) }
    /// Returns the square of each element.
    public func squared() throws -> Tensor { try ATen.square(.tensor(self)) }
    /// Returns the elements times an integer: integers stay integers.
    public func multiplied(by factor: Int) throws -> Tensor { try ATen.mulScalar(.tensor(self), .int(factor)) }
    /// Returns the magnitude of each element.
    public func magnitude() throws -> Tensor { try ATen.abs(.tensor(self)) }
    /// Returns each element to a power.
    public func power(_ exponent: Double) throws -> Tensor { try ATen.pow(.tensor(self), .double(exponent)) }
    /// Returns each element, or the bound where the element is below it.
    public func clamped(below bound: Double) throws -> Tensor { try ATen.clampMin(.tensor(self), .double(bound)) }

    /// Returns each element, or the bound where the element is above it.
    public func clamped(above bound: Double) throws -> Tensor { try ATen.clampMax(.tensor(self), .double(bound)) }

    // MARK: Comparison and selection

    /// Returns a mask of the elements that equal those of the other tensor.
    public func equals(_ other: Tensor) throws -> Tensor { try ATen.eq(.tensor(self), .tensor(other)) }
    /// Returns a mask of the elements that equal a number.
    public func equals(_ number: Double) throws -> Tensor { try ATen.eqScalar(.tensor(self), .double(number)) }
    /// Returns a mask of the elements that are greater than a number.
    public func isGreater(than number: Double) throws -> Tensor { try ATen.gtScalar(.tensor(self), .double(number)) }
    /// Returns the negation of a mask.
    public func not() throws -> Tensor { try ATen.logicalNot(.tensor(self)) }
    /// Returns a mask of the elements for which both masks are true.
    public func and(_ other: Tensor) throws -> Tensor { try ATen.logicalAnd(.tensor(self), .tensor(other)) }
    /// Returns a mask of the elements that are neither infinite nor NaN.
    public func finiteMask() throws -> Tensor { try ATen.isFinite(.tensor(self)) }
    /// Returns whether every element is finite.
    public func isFinite() throws -> Bool { try ATen.all(.tensor(ATen.isFinite(.tensor(self)))).item() != 0 }
    /// Returns the elements of `first` where the mask is true, and of `second` elsewhere.
    public static func choose(_ mask: Tensor, _ first: Tensor, else second: Tensor) throws -> Tensor {
        try ATen.whereSelf(.tensor(mask), .tensor(first), .tensor(second))
    }
    /// Returns a copy with a number where the mask is true.
    public func filled(where mask: Tensor, with number: Double) throws -> Tensor {
        try ATen.maskedFill(.tensor(self), .tensor(mask), .double(number))
    }

    // MARK: Reductions

    /// Returns the sum of all elements.
    public func sum(dtype: DType? = nil) throws -> Tensor {
        try ATen.sum(.tensor(self), dtype.map(TorchOperator.Argument.dtype) ?? .none)
    }
    /// Returns the sum along dimensions.
    public func sum(_ dimensions: Int..., keepingDimensions: Bool = false) throws -> Tensor {
        try ATen.sumDim(.tensor(self), .ints(dimensions), .bool(keepingDimensions))
    }
    /// Returns the mean of all elements.
    public func mean() throws -> Tensor { try ATen.mean(.tensor(self)) }
    /// Returns the mean along dimensions.
    public func mean(_ dimensions: Int..., keepingDimensions: Bool = false) throws -> Tensor {
        try ATen.meanDim(.tensor(self), .ints(dimensions), .bool(keepingDimensions))
    }
    /// Returns the population variance and the mean along dimensions, dimensions kept.
    public func varianceAndMean(_ dimensions: Int...) throws -> (variance: Tensor, mean: Tensor) {
        let both = try ATen.varMean.tensors(.tensor(self), .ints(dimensions), .int(0), .bool(true))
        return (both[0], both[1])
    }
    /// Returns the largest element along a dimension.
    public func maximum(_ dimension: Int, keepingDimension: Bool = false) throws -> Tensor {
        try ATen.amax(.tensor(self), .ints([dimension]), .bool(keepingDimension))
    }
    /// Returns the position of the largest element along a dimension (the first one, if several are equal).
    public func argmax(_ dimension: Int) throws -> Tensor { try ATen.argmax(.tensor(self), .int(dimension)) }
    /// Returns the Euclidean norm of all elements.
    public func norm() throws -> Tensor { try ATen.norm(.tensor(self)) }
    /// Returns the Euclidean norm along dimensions.
    public func norm(_ dimensions: Int..., keepingDimensions: Bool = false) throws -> Tensor {
        try ATen.norm(.tensor(self), .double(2), .ints(dimensions), .bool(keepingDimensions))
    }

    // MARK: Products

    /// Whether products are computed in FP32 and rounded: LibTorch multiplies FP16 on a CPU element by element, a
    /// hundred times slower.
    private var multipliesInFP32: Bool { dtype == .float16 && device == .cpu }

    /// Returns the tensor as a factor of a product.
    func asFactor() throws -> Tensor { multipliesInFP32 ? try to(dtype: .float32) : self }

    /// Returns the matrix product, batched over leading dimensions.
    ///
    /// - Throws: `TorchError.operation` naming both shapes when the inner dimensions differ.
    public func matmul(_ other: Tensor) throws -> Tensor {
        try ATen.matmul(.tensor(asFactor()), .tensor(other.asFactor())).to(dtype: dtype)
    }
    /// Returns self · weightᵀ + bias for a weight of shape [outputs, inputs].
    public func linear(_ weight: Tensor, bias: Tensor? = nil) throws -> Tensor {
        try ATen.linear(.tensor(asFactor()), .tensor(weight.asFactor()), .optional(bias?.asFactor())).to(dtype: dtype)
    }
    /// Returns bias + self · other for matrices.
    public func matmul(_ other: Tensor, adding bias: Tensor) throws -> Tensor {
        try ATen.addmm(.tensor(bias.asFactor()), .tensor(asFactor()), .tensor(other.asFactor())).to(dtype: dtype)
    }
    /// Adds a product in place: self ← self + left · right, for matrices; `self` may be a strided view.
    public func addProductInPlace(_ left: Tensor, _ right: Tensor) throws {
        if multipliesInFP32 { return try addInPlace(left.asFactor().matmul(right.asFactor())) }
        try ATen.addmmInPlace.run(.tensor(self), .tensor(left), .tensor(right))
    }
    /// Stores a product: self ← scale · left · right, batched over the first dimension; `self` may be a strided view.
    public func setProductInPlace(_ left: Tensor, _ right: Tensor, scale: Double = 1) throws {
        if multipliesInFP32 { return try copy(from: (left.asFactor() * scale).matmul(right.asFactor())) }
        try ATen.baddbmmInPlace.run(.tensor(self), .tensor(left), .tensor(right), .double(0), .double(scale))
    }
    /// Returns the one-dimensional convolution of [batch, channels, time] with a weight of [outputs, channels / groups,
    /// kernel].
    public func convolved(
        _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, groups: Int = 1
    ) throws -> Tensor {
        try ATen.convolution(
            .tensor(asFactor()), .tensor(weight.asFactor()), .optional(bias?.asFactor()), .ints([stride]),
            .ints([padding]), .ints([1]), .bool(false), .ints([0]), .int(groups)
        ).to(dtype: dtype)
    }

    // MARK: In place

    /// Adds in place: self ← self + scale · other.
    public func addInPlace(_ other: Tensor, scale: Double = 1) throws {
        try ATen.addInPlace.run(.tensor(self), .tensor(other), .double(scale))
    }
    /// Interpolates in place: self ← self + weight · (end − self).
    public func interpolateInPlace(to end: Tensor, weight: Double) throws {
        try ATen.lerpInPlace.run(.tensor(self), .tensor(end), .double(weight))
    }
    /// Multiplies in place: self ← self · other.
    public func multiplyInPlace(_ other: Tensor) throws { try ATen.mulInPlace.run(.tensor(self), .tensor(other)) }
    /// Scales in place: self ← factor · self.
    public func scaleInPlace(_ factor: Double) throws {
        try ATen.mulScalarInPlace.run(.tensor(self), .double(factor))
    }
    /// Copies elements, converted and broadcast as needed: self ← source.
    public func copy(from source: Tensor) throws {
        if source.device == .cpu, device != .cpu {
            try RecordedWork.forbid("\(source) cannot be copied to \(device)")
            UploadLog.note(source)
        }
        try ATen.copyInPlace.run(.tensor(self), .tensor(source))
    }
    /// Copies elements between a device and page-locked host memory, which LibTorch keeps until they are copied; the
    /// host does not wait.
    func queueCopy(from source: Tensor) throws { try ATen.copyInPlace.run(.tensor(self), .tensor(source), .bool(true)) }
    /// Sets all elements to 0.
    public func zeroInPlace() throws { try ATen.zeroInPlace.run(.tensor(self)) }
    /// Sets all elements to a number.
    public func fillInPlace(_ number: Double) throws { try ATen.fillInPlace.run(.tensor(self), .double(number)) }
    /// Fills with uniform numbers of [low, high).
    public func fillUniformInPlace(_ low: Double, _ high: Double, generator: Generator? = nil) throws {
        try ATen.uniformInPlace.run(.tensor(self), .double(low), .double(high), .optional(generator))
    }
    /// Fills with normal numbers.
    public func fillNormalInPlace(mean: Double = 0, deviation: Double, generator: Generator? = nil) throws {
        try ATen.normalInPlace.run(.tensor(self), .double(mean), .double(deviation), .optional(generator))
    }
    /// Fills with numbers of the exponential distribution of rate 1.
    public func fillExponentialInPlace(generator: Generator? = nil) throws {
        try ATen.exponentialInPlace.run(.tensor(self), .double(1), .optional(generator))
    }
    /// Fills with ones of the given probability, zeros otherwise.
    public func fillBernoulliInPlace(_ probability: Double, generator: Generator? = nil) throws {
        try ATen.bernoulliInPlace.run(.tensor(self), .double(probability), .optional(generator))
    }
}
