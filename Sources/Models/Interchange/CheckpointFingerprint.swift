import W2VBase
import W2VTorch

extension Checkpoint {
    /// Sixteen digits that tell the part that all tasks share (feature extractor and encoder) from other weights.
    ///
    /// The same in every format that holds the weights in FP32, and after fine-tuning another one. It is no protection
    /// against forgery.
    ///
    /// - Returns: A hexadecimal number.
    /// - Throws: ``CheckpointError`` when weights are missing; `TorchError.operation` if LibTorch refuses.
    public func fingerprint() throws -> String {
        var hash = FNV1a()
        for (name, tensor) in try sharedState().sorted(by: { $0.key < $1.key }) {
            hash.add(name.utf8)
            try tensor.to(dtype: .float32).contiguous().withUnsafeMutableBytes { bytes in
                for word in bytes.bindMemory(to: UInt32.self) { hash.add(word) }
            }
        }
        return hash.hexadecimal
    }
}
