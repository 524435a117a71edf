import CW2VKernels
import W2VTorch

/// The processor's instruction sets that the kernels for host memory use.
public enum HostInstructions {
    /// The instruction set in use: `plain`, `avx2`, `avx512` or `avx512_vnni`, by default the processor's best.
    ///
    /// `WAV2VEC2_INSTRUCTIONS` in the environment selects a lesser one, for debugging and tests.
    public static var inUse: String { String(cString: ck_instructions_name()) }

    /// Whether the processor has instructions that multiply BF16 (AVX512_BF16, AMX and the like).
    ///
    /// LibTorch's products of BF16 are then faster than those of FP32, and otherwise much slower.
    public static var multiplyBFloat16: Bool { ck_multiplies_bfloat16() != 0 }
}
