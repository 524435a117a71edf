import CW2VLibTorch

/// Facts about the LibTorch in use, and its process-wide switches.
public enum LibTorch {
    /// The version that the program was built against.
    public static var version: String { String(cString: ct_version()) }

    /// The build settings of LibTorch, as it reports them.
    public static var configuration: String {
        guard let text = ct_configuration() else { return "" }
        defer { ct_free(text) }
        return String(cString: text)
    }

    /// The instruction set that the CPU kernels use, such as `AVX512`.
    public static var cpuCapability: String { String(cString: ct_cpu_capability()) }

    /// The number of threads of one operator on the CPU.
    public static var threads: Int {
        get { Int(ct_threads()) }
        set { ct_set_threads(Int32(newValue)) }
    }

    /// Sets whether CUDA devices may round the factors of single-precision products to TF32 (10 bits of mantissa).
    ///
    /// LibTorch's own defaults differ between matrix products and convolutions; this sets both.
    public static func allowTF32(_ allowed: Bool) { ct_allow_tf32(allowed) }

    /// Whether CUDA devices may add up the parts of a half-precision product in half precision.
    ///
    /// A product with few results of many summands, such as the gradient of the extractor's weights, is divided among a
    /// GPU's processors, and LibTorch's default rounds each part's sum. ``Device/load()`` turns that off: the parts are
    /// added in FP32.
    public static var allowsReducedPrecisionSums: Bool {
        get { ct_allows_reduced_sums() }
        set { ct_allow_reduced_sums(newValue) }
    }

    /// Keeps the memory of freed tensors in the process for reuse.
    ///
    /// The C library returns large blocks to the system at once, and gets them back page by page: up to half the time
    /// of an elementwise operator on 20 MB. Call this at the start of a program that trains or serves; the process then
    /// keeps its peak size.
    public static func reuseHostMemory() { ct_reuse_host_memory() }

    /// The number of live tensor handles, for leak tests.
    public static var liveHandles: Int { Int(ct_live_handles()) }
}
