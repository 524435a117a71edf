import Torch

/// Parameters that are updated together, with their optimizer.
struct ParameterGroup {
    /// The name in saved states.
    let name: String
    /// The parameters and their gradients.
    let parameters: FlatParameters
    /// The optimizer.
    let adam: Adam
    /// The first update that changes the group.
    let firstUpdate: Int

    init(_ name: String, _ parameters: [NamedParameter], _ options: Recipe.OptimizationSection, firstUpdate: Int = 1)
        throws
    {
        self.name = name
        self.firstUpdate = firstUpdate
        self.parameters = try FlatParameters(parameters)
        adam = try Adam(
            self.parameters,
            .init(
                beta1: options.adamBetas[0], beta2: options.adamBetas[1], epsilon: options.adamEps,
                weightDecay: options.weightDecay))
    }

    /// The moments by name, for a checkpoint.
    func moments() throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (kind, buffer) in [("exp_avg", adam.firstMoment), ("exp_avg_sq", adam.secondMoment)] {
            for (name, tensor) in try parameters.named(buffer) { result["\(name).\(kind)"] = tensor }
        }
        return result
    }

    /// Continues from saved moments.
    func restore(updates: Int, from state: [String: Tensor]) throws {
        func moment(_ kind: String) -> [String: Tensor] {
            var result: [String: Tensor] = [:]
            for name in parameters.names { result[name] = state["\(name).\(kind)"] }
            return result
        }
        try adam.restore(updates: updates, firstMoment: moment("exp_avg"), secondMoment: moment("exp_avg_sq"))
    }
}

extension Module {
    /// Moves all parameters to a device.
    func move(to device: Device) throws {
        for parameter in parameters() where parameter.tensor.device != device {
            parameter.tensor = try parameter.tensor.to(device: device)
        }
    }
}
