import W2VBase
import W2VTorch

extension Checkpoint {
    /// Returns sixteen hexadecimal digits that identify the weights of the backbone (feature extractor and encoder).
    ///
    /// They are the same in every format that stores the weights in FP32, and change with fine-tuning. They do not
    /// protect against forgery.
    /// - Throws: ``CheckpointError`` when weights are missing.
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
