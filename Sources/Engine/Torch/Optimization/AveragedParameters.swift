/// An exponential moving average of parameters, in single precision.
public final class AveragedParameters {
    /// The averages of the parameters that this process updates, [elements of the parameters' `own`].
    public let values: Tensor
    private let parameters: FlatParameters
    private let decay: Double

    /// Starts from the current parameters.
    ///
    /// - Parameter decay: The weight of the old average in each update, such as 0.999.
    public init(_ parameters: FlatParameters, decay: Double) throws {
        self.parameters = parameters
        self.decay = decay
        values = try parameters.masters.cloned()
    }

    /// average ← decay · average + (1 − decay) · parameters.
    public func update() throws {
        try withoutGradient { try values.interpolateInPlace(to: parameters.masters, weight: 1 - decay) }
    }

    /// Continues from saved averages, by parameter.
    public func restore(_ state: [String: Tensor]) throws { try parameters.load(state, into: values) }

    /// Runs `body` with the averages in place of the parameters.
    public func inUse<Result>(_ body: () throws -> Result) throws -> Result {
        let raw = try parameters.masters.cloned()
        func put(_ tensor: Tensor) throws {
            try withoutGradient { try parameters.masters.copy(from: tensor) }
            try parameters.publish()
        }
        try put(values)
        let result: Result
        do {
            result = try body()
        } catch {
            try put(raw)
            throw error
        }
        try put(raw)
        return result
    }
}
