import CW2VKernels
import W2VTorch

/// Which of the processor's instructions the kernels for host memory use.
public enum HostInstructions {
    /// `plain`, `avx2`, `avx512` or `avx512_vnni`: the best that the processor has.
    ///
    /// `WAV2VEC2_INSTRUCTIONS` in the environment names lesser ones, for who looks for a fault or tests them.
    public static var inUse: String { String(cString: ck_instructions_name()) }

    /// Whether the processor has instructions that multiply BF16 (AVX512_BF16, AMX and their like): LibTorch's products of
    /// BF16 are then faster than those of FP32, and else much slower.
    public static var multiplyBFloat16: Bool { ck_multiplies_bfloat16() != 0 }
}
