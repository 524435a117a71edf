import Foundation
import W2VBackbone
import W2VBase
import W2VTorch

/// The symbols of a recognizer's labels.
extension Checkpoint {
    /// The size of the output layer; 0 for models without one.
    public var labelCount: Int { description.task.labelCount(state) }

    /// Returns the checkpoint with another dictionary, or with one that it lacks.
    ///
    /// The rows of the output layer belong to their symbols: if the checkpoint knows its own, and the dictionary has
    /// them in another order, the rows are reordered. A dictionary with other symbols renames the labels, which is
    /// noted.
    ///
    /// - Parameters:
    ///   - symbols: The symbol of each label, the blank first.
    ///   - path: The dictionary's path, for errors.
    /// - Throws: ``CheckpointError`` for a model that is not a ctc model or has another number of labels, or if some of
    ///   its own symbols have other places in the dictionary beside unknown symbols.
    public func labeled(_ symbols: [String], from path: String) throws -> Checkpoint {
        try requireRecognizer()
        guard symbols.count == labelCount else {
            throw CheckpointError.dictionarySize(
                path: url.path, dictionary: path, symbols: symbols.count, labels: labelCount)
        }
        var result = self
        guard !description.labels.isEmpty else {
            result.description.labels = symbols
            return result
        }
        var own = description.labels
        // Hugging Face's names of the blank and of fairseq's padding.
        if own.starts(with: ["<pad>", "<s>"]) { own.swapAt(0, 1) }
        let rows = Dictionary(zip(own.map { ExactText($0) }, 0...)) { first, _ in first }
        let found = symbols.map { rows[ExactText($0)] }
        let moved = found.enumerated().filter { $1 != nil && $1 != $0 }.map(\.offset)
        result.description.labels = symbols
        guard let first = moved.first else {
            try result.noteRenamed(own, path)
            return result
        }
        let order = found.compactMap { $0 }
        guard Set(order).count == symbols.count else {
            throw CheckpointError.dictionaryOrder(
                path: url.path, dictionary: path, symbol: symbols[first], place: first, row: found[first] ?? 0,
                unknown: symbols.indices.first { found[$0] == nil }.map { symbols[$0] })
        }
        // Row 0 is the blank's, whatever its name.
        guard order[0] == 0 else {
            throw CheckpointError.dictionaryOrder(
                path: url.path, dictionary: path, symbol: symbols[0], place: 0, row: order[0], unknown: nil)
        }
        let rowOrder = try Tensor(order)
        for name in description.task.outputTensors { result.state[name] = try state[name]?.taking(rowOrder) }
        result.findings.append(
            CheckpointNote(
                "\(path): has the checkpoint's symbols in another order, and the output layer's rows follow their symbols",
                .dictionary))
        return result
    }

    /// Notes the labels that have a new symbol.
    private mutating func noteRenamed(_ own: [String], _ path: String) throws {
        let renamed = own.indices.filter { !own[$0].hasSameCodePoints(as: description.labels[$0]) }
        guard let first = renamed.first else { return }
        findings.append(
            CheckpointNote(
                "\(path): gives \(renamed.count) of \(own.count) labels other symbols than the checkpoint, such as "
                    + "\(description.labels[first].quotedWithCodePoints) for \(own[first].quotedWithCodePoints)",
                .dictionary))
    }

    /// Returns the symbols of a model's labels.
    ///
    /// - Returns: One symbol per label; a ctc model's blank first.
    /// - Throws: ``CheckpointError`` when the model has no labels, or lacks its dictionary.
    public func requireLabels() throws -> [String] {
        if !description.task.hasLabels { try requireRecognizer() }
        guard !description.labels.isEmpty else {
            throw CheckpointError.noDictionary(path: url.path, labels: labelCount)
        }
        return description.labels
    }
}
