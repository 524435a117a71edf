import Foundation
import W2VInterchange
import W2VTorch

/// The state after an update, from which a checkpoint is written while training continues.
///
/// If the optimizer's state is sharded, every process holds a share: rank 0 writes, and receives the missing parts from
/// the others, the moments one parameter at a time.
struct Snapshot: Sendable {
    /// The model's weights.
    final class Weights: Sendable {
        let description: ModelDescription
        /// Frozen weights, in FP32.
        let fixed: [String: Tensor]
        /// FP32 weights of each parameter group.
        let learning: [FlatCopy]
        /// Averaged weights of each parameter group, if the recipe averages.
        let averages: [FlatCopy]

        init(_ description: ModelDescription, fixed: [String: Tensor], learning: [FlatCopy], averages: [FlatCopy]) {
            self.description = description
            self.fixed = fixed
            self.learning = learning
            self.averages = averages
        }
    }

    /// The optimizer's moments.
    final class Moments: Sendable {
        /// Running means of the gradients, for each parameter group.
        let first: [FlatCopy]
        /// Running means of the squared gradients, for each parameter group.
        let second: [FlatCopy]

        init(first: [FlatCopy], second: [FlatCopy]) {
            self.first = first
            self.second = second
        }
    }

    let weights: Weights
    /// `nil` for a checkpoint that cannot be resumed from.
    let moments: Moments?
    let state: TrainingState
    /// The processes that each hold a share; `nil` if this one holds everything.
    let group: ProcessGroup?

    private enum Kind: Int {
        case learning, averages, first, second
    }

    /// Returns the message tag of a piece.
    ///
    /// - Parameters:
    ///   - kind: The kind of tensor.
    ///   - group: The group's number.
    ///   - parameter: The parameter's number in the group; `nil` for the whole group.
    /// - Returns: A unique number.
    private static func tag(_ kind: Kind, _ group: Int, _ parameter: Int? = nil) -> Int {
        (group * 4 + kind.rawValue) << 16 | ((parameter ?? -1) + 1)
    }

    // MARK: Writing

    /// Writes a checkpoint's files; only one group's weights are gathered at a time.
    ///
    /// - Parameter folder: The folder, which must exist.
    /// - Throws: `FileWriteError` if the disk is full or the system fails; `TorchError.communication`.
    func write(to folder: URL) throws {
        try Checkpoint.write(weights.description, state: whole(weights.learning, .learning), to: folder)
        if !weights.averages.isEmpty {
            let file = folder.appendingPathComponent(Checkpoint.averagedWeightsName)
            try Checkpoint.write(weights: whole(weights.averages, .averages), to: file)
        }
        if let moments {
            let entries = entries(moments.first, .first, "exp_avg") + entries(moments.second, .second, "exp_avg_sq")
            try SafetensorsWriter.write(entries, to: folder.appendingPathComponent(TrainingState.optimizerName))
        }
        try state.write(to: folder)
    }

    private func whole(_ copies: [FlatCopy], _ kind: Kind) throws -> [String: Tensor] {
        try copies.enumerated().reduce(into: weights.fixed) { result, copy in
            try result.merge(copy.element.named(over: group, tag: Self.tag(kind, copy.offset))) { $1 }
        }
    }

    private func entries(_ copies: [FlatCopy], _ kind: Kind, _ suffix: String) -> [SafetensorsTensor] {
        copies.enumerated().flatMap { number, copy in
            copy.names.enumerated().map { parameter, name in
                SafetensorsTensor(name: "\(name).\(suffix)", type: .float32, shape: copy.shape(parameter)) { write in
                    let tensor = try copy.tensor(parameter, over: group, tag: Self.tag(kind, number, parameter))
                    try tensor.withUnsafeMutableBytes { try write(UnsafeRawBufferPointer($0)) }
                }
            }
        }
    }

    // MARK: Sending

    /// Sends this process's part of everything that rank 0 writes, and waits until it has been received.
    ///
    /// - Throws: `TorchError.communication` if a process is gone.
    func send() throws {
        guard let group else { return }
        var running: [Collective?] = []
        for (copies, kind) in [(weights.learning, Kind.learning), (weights.averages, .averages)] {
            running += try copies.enumerated().map { try $1.send(nil, over: group, tag: Self.tag(kind, $0)) }
        }
        if let moments {
            for (copies, kind) in [(moments.first, Kind.first), (moments.second, .second)] {
                for (number, copy) in copies.enumerated() {
                    running += try copy.names.indices.map {
                        try copy.send($0, over: group, tag: Self.tag(kind, number, $0))
                    }
                }
            }
        }
        for sending in running { try sending?.wait() }
    }
}
