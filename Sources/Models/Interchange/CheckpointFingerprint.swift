import W2VTorch

extension Checkpoint {
    /// Returns sixteen hexadecimal digits that identify the weights of the backbone (feature extractor and encoder).
    ///
    /// They are the same in every format that stores the weights in FP32, and change with fine-tuning. They do not
    /// protect against forgery.
    /// - Throws: ``CheckpointError`` when weights are missing.
    public func fingerprint() throws -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        // FNV-1a over whole words instead of bytes.
        func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x0000_0100_0000_01B3 }
        for (name, tensor) in try sharedState().sorted(by: { $0.key < $1.key }) {
            for byte in name.utf8 { mix(UInt64(byte)) }
            try tensor.to(dtype: .float32).contiguous().withUnsafeMutableBytes { bytes in
                for word in bytes.bindMemory(to: UInt32.self) { mix(UInt64(word)) }
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
