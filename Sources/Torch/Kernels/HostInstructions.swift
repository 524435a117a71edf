import CKernels

/// Which of the processor's instructions the kernels for host memory use.
public enum HostInstructions {
    /// `plain`, `avx2`, `avx512` or `avx512_vnni`: the best that the processor has.
    ///
    /// `WAV2VEC2_INSTRUCTIONS` in the environment names lesser ones, for who looks for a fault or tests them.
    public static var inUse: String { String(cString: ck_instructions_name()) }
}
