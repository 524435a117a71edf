import CW2VKernels
import W2VTorch

/// The processor's instruction sets that the kernels for host memory use.
public enum HostInstructions {
    /// The instruction set in use, by default the processor's best: `plain`, `avx2`, `avx512` or `avx512_vnni` on x86,
    /// and `plain`, `neon`, `neon_dotprod` or `neon_i8mm` on ARM.
    ///
    /// `WAV2VEC2_INSTRUCTIONS` in the environment selects a lesser one, for debugging and tests.
    public static var inUse: String { String(cString: ck_instructions_name()) }

    /// Whether the processor has instructions that multiply BF16 (AVX512_BF16, AMX, or BF16 on ARM).
    ///
    /// LibTorch's products of BF16 are then faster than those of FP32, and otherwise much slower.
    public static var multiplyBFloat16: Bool { ck_multiplies_bfloat16() != 0 }
}
