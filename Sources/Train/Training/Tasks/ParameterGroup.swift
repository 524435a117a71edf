import W2VKernels
import W2VTorch

/// Parameters that are updated together, with their optimizer and optional moving average.
struct ParameterGroup {
    /// The group's name in saved states.
    let name: String
    /// The parameters and their gradients.
    let parameters: FlatParameters
    /// The optimizer.
    let optimizer: any Optimizer
    /// The moving average of the parameters, if the recipe asks for one.
    let average: AveragedParameters?
    /// The first update that changes the group.
    let firstUpdate: Int

    init(
        _ name: String, _ parameters: [NamedParameter], _ options: Recipe.OptimizationSection, firstUpdate: Int = 1,
        shardedOver group: ProcessGroup? = nil
    ) throws {
        self.name = name
        self.firstUpdate = firstUpdate
        self.parameters = try FlatParameters(parameters, shardedOver: group)
        switch options.optimizer {
        case .adam:
            let constants = Moments.Options(
                beta1: options.adamBetas[0], beta2: options.adamBetas[1], epsilon: options.adamEps,
                weightDecay: options.weightDecay)
            optimizer =
                try FusedAdam.supports(self.parameters)
                ? FusedAdam(self.parameters, constants) : Adam(self.parameters, constants)
        case .lamb:
            optimizer = try Lamb(
                self.parameters,
                .init(
                    beta1: options.lambBetas[0], beta2: options.lambBetas[1], epsilon: options.lambEps,
                    weightDecay: options.weightDecay))
        }
        average = try options.ema > 0 ? AveragedParameters(self.parameters, decay: options.ema) : nil
    }

    /// Updates the FP32 weights, or this process's share of them.
    ///
    /// - Parameter keepsGradients: Whether the gradients can be seen afterwards, multiplied by `gradientScale`.
    func step(learningRate: Double, gradientScale: Double, keepsGradients: Bool = false) throws {
        try keepingGradients(keepsGradients) {
            try $0.scaleInPlace(gradientScale)
        } during: {
            try optimizer.step(learningRate: learningRate, gradientScale: gradientScale)
        }
    }

    /// Runs an optimizer that clears the gradients, and puts them back if they are to be kept.
    private func keepingGradients(
        _ keeps: Bool, scale: (Tensor) throws -> Void, during step: () throws -> Void
    ) throws {
        let kept = try keeps ? parameters.gradients.cloned() : nil
        try step()
        guard let kept, parameters.isCleared else { return }
        try withoutGradient {
            try scale(kept)
            try parameters.gradients.copy(from: kept)
        }
        parameters.isCleared = false
    }

    /// Queues an update of the FP32 weights and passes them to the module, before it is known whether it is skipped.
    ///
    /// - Throws: `TorchError.operation` for an optimizer whose updates cannot be queued.
    func queueStep(learningRate: Double, _ verdict: GradientVerdict, keepsGradients: Bool) throws {
        guard let optimizer = optimizer as? any QueuedOptimizer else {
            throw TorchError.operation("the optimizer of \(name) cannot queue its updates")
        }
        try keepingGradients(keepsGradients) {
            try $0.multiplyInPlace(verdict.gradientScale)
        } during: {
            try optimizer.step(
                learningRate: learningRate, gradientScale: verdict.gradientScale, unless: verdict.isSkipped)
        }
        try parameters.publish()
    }

    /// Completes a queued update when it is known whether it was skipped.
    func complete(isSkipped: Bool) throws {
        guard isSkipped else { return try average?.update() ?? () }
        (optimizer as? any QueuedOptimizer)?.uncountLast()
    }

    /// Passes the changed weights to the module, exchanges them with the other processes if they are sharded, and
    /// averages.
    func publish() throws {
        try parameters.publish()
        try average?.update()
    }

    /// Continues from saved moments.
    func restore(updates: Int, from state: [String: Tensor]) throws {
        func moment(_ kind: String) -> [String: Tensor] {
            var result: [String: Tensor] = [:]
            for name in parameters.names { result[name] = state["\(name).\(kind)"] }
            return result
        }
        try optimizer.moments.restore(updates: updates, first: moment("exp_avg"), second: moment("exp_avg_sq"))
    }
}

extension Module {
    /// Moves all parameters to a device.
    package func move(to device: Device) throws {
        for parameter in parameters() where parameter.tensor.device != device {
            parameter.tensor = try parameter.tensor.to(device: device)
        }
    }
}
