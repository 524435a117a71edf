import Foundation
import Torch
import Wav2Vec2

extension Checkpoint {
    /// Writes the model in a format, in its place only when all of it is written.
    ///
    /// - Parameters:
    ///   - url: The file or folder; the folder above is made if it is missing.
    ///   - format: Whose layout it gets.
    ///   - replaces: Whether a file or a converted checkpoint's folder that is there makes room.
    /// - Returns: What the original held and the new checkpoint does not, a phrase each, its key first.
    /// - Throws: ``CheckpointError`` for weights that do not fit the architecture, for a model that the format cannot
    ///   represent, and for a place that is taken; `FileWriteError` when the disk is full.
    public func convert(to url: URL, format: CheckpointFormat, replacing replaces: Bool = false) throws -> [String] {
        try checkWeights()
        return try notCarriedOver
            + CheckpointPlacement.write(to: url, isFolder: format.isFolder, replaces: replaces) {
                try Checkpoint.write(description, state: state, to: $0, format: format, update: update ?? 0)
            }
    }

    /// Checks that there is a tensor of the right shape for every parameter of the model, and no other.
    ///
    /// Nothing is copied: the model that it is compared with is made of memory that is never touched.
    ///
    /// - Throws: ``CheckpointError/damaged(path:reason:)`` naming what is missing, too much or of another shape.
    public func checkWeights() throws {
        // A layer has many tensors, so a damaged number of layers is told before any is made.
        guard description.model.layerCount <= state.count else {
            throw CheckpointError.damaged(
                path: url.path,
                reason: "it has \(state.count) tensors, which are too few for \(description.model.layerCount) layers")
        }
        let model: Module
        switch description.task {
        case .pretraining:
            model = try PretrainingModel(description.model, objective: description.objective, initializer: .empty)
        case .ctc: model = try CTCModel(description.model, labels: labelCount, initializer: .empty)
        case .encoder: model = try Wav2Vec2Model(description.model, initializer: .empty)
        }
        let wanted = try FusedParameters.split(model.state()).mapValues(\.shape)
        var problems: [String] = []
        func note(_ what: String, _ names: [String]) {
            guard !names.isEmpty else { return }
            let more = names.count > 5 ? " and \(names.count - 5) more" : ""
            problems.append("\(what) \(names.sorted().prefix(5).joined(separator: ", "))\(more)")
        }
        note("missing", wanted.keys.filter { state[$0] == nil })
        note("unexpected", state.keys.filter { wanted[$0] == nil })
        for (name, shape) in wanted.sorted(by: { $0.key < $1.key }) {
            guard let found = state[name]?.shape, found != shape else { continue }
            problems.append("\(name) has shape \(found) where \(shape) is expected")
            if problems.count > 5 { break }
        }
        guard problems.isEmpty else {
            throw CheckpointError.damaged(
                path: url.path, reason: "the weights do not fit the model: " + problems.joined(separator: "; "))
        }
    }
}
