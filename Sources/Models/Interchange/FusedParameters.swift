import W2VTorch

/// Conversion between checkpoints' separate parameters and the model's fused ones.
///
/// The model has one projection for queries, keys and values (`self_attn.qkv_proj`); fairseq and our checkpoint files
/// have `q_proj`, `k_proj` and `v_proj`, so that other programs find what they know.
public enum FusedParameters {
    private static let fused = "self_attn.qkv_proj."
    private static let parts = ["self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."]

    /// Returns separate parameters, as views of fused ones.
    ///
    /// - Parameter state: The model's parameters, or anything of their layout, by name.
    /// - Returns: The same tensors by name, with each fused one as its three thirds.
    public static func split(_ state: [String: Tensor]) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, tensor) in state {
            guard let range = name.range(of: fused) else {
                result[name] = tensor
                continue
            }
            let third = tensor.size(0) / 3
            for (index, part) in parts.enumerated() {
                result[name.replacingCharacters(in: range, with: part)] =
                    try tensor.narrowed(0, index * third..<(index + 1) * third)
            }
        }
        return result
    }

    /// Returns fused parameters made of separate ones.
    ///
    /// - Parameter state: A checkpoint's tensors by name; a fused parameter in it is kept.
    /// - Returns: The same tensors by name, with three thirds as one fused tensor.
    /// - Throws: `TorchError.state` when a third is missing.
    public static func join(_ state: [String: Tensor]) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, tensor) in state {
            if let range = name.range(of: parts[0]) {
                let thirds = try parts.map { part in
                    let key = name.replacingCharacters(in: range, with: part)
                    guard let third = state[key] else {
                        throw TorchError.state("the checkpoint has \(name) but not \(key)")
                    }
                    return third
                }
                result[name.replacingCharacters(in: range, with: fused)] = try .concatenate(thirds)
            } else if !parts.contains(where: name.contains) {
                result[name] = tensor
            }
        }
        return result
    }
}
